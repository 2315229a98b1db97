#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <optional>

#include "image/pixel_batch.h"

namespace clip_blip {

/// The numbers by which bytes become what a model reads, on its accelerator: they stay where they
/// are, so that what was recorded reads them anew.
class Normalization {
 public:
  explicit Normalization(c10::Device device);

  /// The numbers of the calls from now on; on the thread of the device.
  void Set(const NormalizePlan& plan);

  /// The factor and the offset of each channel: [2, 3].
  const at::Tensor& numbers() const { return numbers_; }

 private:
  at::Tensor numbers_;
  std::optional<NormalizePlan> set_;
};

/// `value * factor + offset` of bytes, whose dimension `channels` is that of the channels, into
/// `out`, which is of their shape.
void Normalize(const at::Tensor& bytes, const at::Tensor& numbers, int64_t channels,
               at::Tensor& out);

}  // namespace clip_blip
