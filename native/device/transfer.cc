#include "device/transfer.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace clip_blip {

void Fill(const at::Tensor& target, const at::Tensor& host) {
  if (target.is_cpu()) {
    target.copy_(host);
    return;
  }
  at::Tensor pinned =
      at::empty(host.sizes(), at::TensorOptions().dtype(target.scalar_type()).pinned_memory(true));
  pinned.copy_(host);
  target.copy_(pinned, /*non_blocking=*/true);
}

at::Tensor Upload(const at::Tensor& host, c10::Device device) {
  if (device.is_cpu()) return host;
  at::Tensor target = at::empty(host.sizes(), host.options().device(device));
  Fill(target, host);
  return target;
}

std::vector<at::Tensor> Download(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> downloaded;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.is_cpu()) {
      downloaded.push_back(tensor.contiguous());
      continue;
    }
    auto options = at::TensorOptions().dtype(tensor.scalar_type()).pinned_memory(true);
    downloaded.push_back(at::empty(tensor.sizes(), options).copy_(tensor, /*non_blocking=*/true));
  }
  c10::Device device = tensors.front().device();
  if (!device.is_cpu()) {
    c10::impl::VirtualGuardImpl guard(device.type());
    guard.synchronizeStream(guard.getStream(device));
  }
  return downloaded;
}

}  // namespace clip_blip
