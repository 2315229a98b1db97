#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "device/graph_cache.h"
#include "model/loaded_module.h"
#include "tasks/generation/search.h"

namespace clip_blip {

/// The steps of texts as recorded graphs: the decoder and the choice of the next tokens work on
/// tensors that stay where they are from call to call, so that a step is one start of a graph.
class RecordedSteps {
 public:
  /// Ready to write texts about `states` [P, N, V]; nothing where that is not recorded. There may
  /// be more lanes than pictures, so that fewer numbers of them are met. `prompts` and `options`
  /// stay until the texts are written.
  static std::optional<RecordedSteps> Find(const LoadedModule& module, const at::Tensor& states,
                                           const std::vector<Prompt>& prompts,
                                           const GenerationSettings& options);

  /// Reads `count` tokens from `position` on, and chooses the next one. Gives the lanes that need
  /// no more: as Search::Done().
  at::Tensor Run(int64_t position, int64_t count);

  /// Of the lanes that are running.
  Search& search() { return *search_; }

  /// Lanes with which to go on where `kept` of them are not done: all that run, or a half, a
  /// quarter, … of them, so that few numbers of lanes are recorded.
  int64_t FewerLanes(size_t kept) const;
  /// Goes on with so many lanes, the first of which become what the lanes `kept` are, after
  /// `length` tokens. `kept`: in a lane's own place, or from further behind.
  void Keep(const std::vector<int64_t>& kept, int64_t lanes, int64_t length);

 private:
  /// The searches of a place by their lanes: the one of all, and those that work on the first of
  /// its lanes.
  using Searches = std::map<int64_t, std::unique_ptr<Search>>;

  RecordedSteps(const LoadedModule& module, GraphPlace& place, const std::vector<Prompt>& prompts,
                const GenerationSettings& options)
      : module_(&module),
        place_(&place),
        searches_(static_cast<Searches*>(place.owner.get())),
        search_(searches_->rbegin()->second.get()),
        prompts_(&prompts),
        options_(&options) {}

  void Project(const at::Tensor& states);
  /// The caches of the lanes that are running.
  std::vector<at::Tensor> Caches() const;
  Search& SearchOf(int64_t lanes);

  const LoadedModule* module_;
  GraphPlace* place_;
  Searches* searches_;
  Search* search_;
  const std::vector<Prompt>* prompts_;
  const GenerationSettings* options_;
};

}  // namespace clip_blip
