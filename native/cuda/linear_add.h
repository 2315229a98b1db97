#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace clip_blip {

/// See DeviceBackend::LinearAdd().
std::optional<at::Tensor> CublasLinearAdd(const at::Tensor& input, const at::Tensor& other,
                                          const at::Tensor& weight,
                                          const std::optional<at::Tensor>& bias);

}  // namespace clip_blip
