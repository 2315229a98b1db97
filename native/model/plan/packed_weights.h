#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <tuple>

namespace clip_blip {

/// Weights of linear layers in oneDNN's own layout, which its matrix products read two times faster
/// than rows (measured: LibTorch's float32 product is MKL's, which is slow on AMD). A weight that
/// several methods use is packed once.
class PackedWeights {
 public:
  /// Whether weights of this type, on this machine, can be packed.
  static bool Supports(const at::Tensor& weight);

  /// `weight * scale`, [out, in], packed.
  at::Tensor Pack(const at::Tensor& weight, double scale);

 private:
  /// The weight's bytes, its shape and the scale.
  using Key = std::tuple<const void*, int64_t, int64_t, double>;
  struct Entry {
    /// Keeps the bytes from becoming those of another weight: a graph's constants go with it.
    at::Tensor weight;
    at::Tensor packed;
  };
  std::map<Key, Entry> packed_;
};

/// `tensor * scale`, computed in float32 whatever its type is.
at::Tensor Scaled(const at::Tensor& tensor, double scale);

}  // namespace clip_blip
