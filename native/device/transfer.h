#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <vector>

namespace clip_blip {

// Copies between the host and a device go through pinned memory: with other memory each copy waits.

/// Copies `host` to `target`. `host` may be freed at once.
void Fill(const at::Tensor& target, const at::Tensor& host);

/// `host` on a device; itself on the CPU.
at::Tensor Upload(const at::Tensor& host, c10::Device device);

/// Tensors of one device on the host, after a single wait.
std::vector<at::Tensor> Download(const std::vector<at::Tensor>& tensors);

}  // namespace clip_blip
