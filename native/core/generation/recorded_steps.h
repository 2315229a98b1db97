#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "../graph_cache.h"
#include "../loaded_module.h"
#include "search.h"

namespace clip_blip {

/// The steps of texts as recorded graphs: the decoder and the choice of the next tokens work on
/// tensors that stay where they are from call to call, so that a step is one start of a graph.
class RecordedSteps {
 public:
  /// Ready to write texts about `states` [P, N, V]; nothing where that is not recorded. There may
  /// be more lanes than pictures, so that fewer numbers of them are met.
  static std::optional<RecordedSteps> Find(const LoadedModule& module, const at::Tensor& states,
                                           const std::vector<Prompt>& prompts,
                                           const GenerationOptions& options);

  /// Reads `count` tokens from `position` on, and chooses the next one. Gives the lanes that need
  /// no more: as Search::Done().
  at::Tensor Run(int64_t position, int64_t count);

  Search& search() { return *search_; }

 private:
  RecordedSteps(const LoadedModule& module, GraphPlace& place, Search& search)
      : module_(&module), place_(&place), search_(&search) {}

  void Project(const at::Tensor& states);

  const LoadedModule* module_;
  GraphPlace* place_;
  Search* search_;
};

}  // namespace clip_blip
