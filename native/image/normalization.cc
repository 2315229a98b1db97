#include "image/normalization.h"

#include <ATen/ATen.h>

#include <vector>

#include "device/transfer.h"

namespace clip_blip {

Normalization::Normalization(c10::Device device)
    : numbers_(at::zeros({2, 3}, at::TensorOptions().dtype(at::kFloat).device(device))) {}

void Normalization::Set(const NormalizePlan& plan) {
  if (set_ == plan) return;
  // (value * scale - mean) / std as value * factor + offset.
  at::Tensor numbers = at::empty({2, 3}, at::TensorOptions().dtype(at::kFloat));
  auto rows = numbers.accessor<float, 2>();
  for (int channel = 0; channel < 3; ++channel) {
    rows[0][channel] = static_cast<float>(plan.scale / plan.std[channel]);
    rows[1][channel] = static_cast<float>(-plan.mean[channel] / plan.std[channel]);
  }
  Fill(numbers_, numbers);
  set_ = plan;
}

void Normalize(const at::Tensor& bytes, const at::Tensor& numbers, int64_t channels,
               at::Tensor& out) {
  std::vector<int64_t> sizes(static_cast<size_t>(bytes.dim()), 1);
  sizes[static_cast<size_t>(channels)] = 3;
  at::addcmul_out(out, numbers[1].view(sizes), bytes, numbers[0].view(sizes));
}

}  // namespace clip_blip
