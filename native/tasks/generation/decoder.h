#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "model/loaded_module.h"

namespace clip_blip {

// What a decoder reads: the keys and values of the texts, [layers, P * texts, heads, positions,
// head_dim], and those of what the texts are about, [layers, P, heads, N, head_dim].

/// The shape of the former.
std::vector<int64_t> CacheShape(const LoadedModule& module, int64_t texts, int64_t positions);

/// The latter, keys and values, of `states` [P, N, V].
std::array<at::Tensor, 2> Project(const LoadedModule& module, const at::Tensor& states);

/// Reads the tokens `ids` [P * texts, T], which stand at `position` and after. `read`: the keys and
/// values in the order above, and a mask [P, N] of what counts, where not all of it does. Gives the
/// scores of the next token: [P * texts, vocabulary], in the module's dtype.
at::Tensor Decode(const LoadedModule& module, const at::Tensor& ids, int64_t position,
                  const std::vector<at::Tensor>& read);

/// Text i goes on from what text `parents[i]` [P * texts] has read in its first `length` tokens.
void ReorderCache(const at::Tensor& cache, const at::Tensor& parents, int64_t length);

/// Lane i, which is `width` rows of a dimension, becomes what lane `order[i]` is: none that comes
/// from further ahead.
void MoveLanes(const at::Tensor& tensor, int64_t dimension, int64_t width,
               const std::vector<int64_t>& order);

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

  /// See Decode().
  at::Tensor Step(const at::Tensor& ids, int64_t position);

  /// See ReorderCache().
  void Reorder(const at::Tensor& parents, int64_t length);

  /// Lane i becomes what lane `order[i]` is, where that is i itself or no longer a lane after it.
  void Keep(const std::vector<int64_t>& order);

 private:
  const LoadedModule& module_;
  int64_t texts_;
  at::Tensor self_keys_, self_values_, cross_keys_, cross_values_;
  std::optional<at::Tensor> mask_;
};

}  // namespace clip_blip
