#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "../loaded_module.h"

namespace clip_blip {

/// A model's decoder with what it keeps between steps: the keys and values of the texts,
/// preallocated and written in place, and those of what the texts are about, projected once. There
/// are P lanes of as many texts each; the texts of a lane look at the same thing, which is never
/// repeated for them.
class Decoder {
 public:
  /// `states`: what the texts are about, [P, N, V]; `mask`: which of the N count, [P, N] of
  /// booleans, or all of them. Texts have at most `positions` tokens.
  Decoder(const LoadedModule& module, const at::Tensor& states, std::optional<at::Tensor> mask,
          int64_t texts, int64_t positions);

  /// Reads the tokens `ids` [P * texts, T], which stand at `position` and after.
  /// Gives the scores of the next token: [P * texts, vocabulary], in the module's dtype.
  at::Tensor Step(const at::Tensor& ids, int64_t position);

  /// Text i goes on from what text `parents[i]` [P * texts] has read in its first `length` tokens.
  void Reorder(const at::Tensor& parents, int64_t length);

  /// Lane i becomes what lane `order[i]` is, where that is i itself or no longer a lane after it.
  /// Only where lanes may leave.
  void Keep(const std::vector<int64_t>& order);
  /// Whether they may: recorded steps are for all lanes.
  bool LanesMayLeave() const { return place_ == nullptr; }

 private:
  void Project(const at::Tensor& states);
  std::vector<int64_t> ShapeOfCache(const at::Tensor& states, int64_t positions) const;

  const LoadedModule& module_;
  int64_t texts_;
  at::Tensor cross_keys_, cross_values_;  // [layers, P, heads, N, head_dim]
  at::Tensor self_keys_, self_values_;    // [layers, P * texts, heads, positions, head_dim]
  std::optional<at::Tensor> mask_;        // [P, N]
  GraphPlace* place_ = nullptr;           // null: each step is run as it is
};

}  // namespace clip_blip
