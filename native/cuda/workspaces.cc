#include "cuda/workspaces.h"

#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDAGuard.h>

#include <mutex>
#include <tuple>
#include <utility>

namespace clip_blip {
namespace {

// LibTorch 2.13 keeps the size beside the block.
const at::DataPtr& BlockOf(const at::DataPtr& block) { return block; }
template <typename Size>
const at::DataPtr& BlockOf(const std::pair<at::DataPtr, Size>& block) {
  return block.first;
}

/// `chosen(stream, device)` tells which.
template <typename Chosen>
void Release(const Chosen& chosen) {
  // LibTorch's own function gives up those of all devices, while others may be at work.
  for (at::cuda::WorkspaceMapWithMutex* workspaces :
       {&at::cuda::cublas_handle_stream_to_workspace(),
        &at::cuda::cublaslt_handle_stream_to_workspace()}) {
    std::lock_guard lock(workspaces->mutex);
    std::erase_if(workspaces->map, [&](const auto& item) {
      return chosen(std::get<1>(item.first), BlockOf(item.second).device());
    });
  }
}

}  // namespace

void MakeCublasWorkspace(c10::Device device) {
  // Not by a guard, which sets no device that is the current one: a new thread has device 0 without
  // its context, and LibTorch warns the user.
  thread_local bool has_context = false;
  if (!std::exchange(has_context, true)) c10::cuda::set_device(device.index(), /*force=*/true);
  c10::cuda::CUDAGuard guard(device);
  // Getting the handle gives it a workspace; cuBLASLt's may be the same one.
  at::cuda::getCurrentCUDABlasHandle();
  at::cuda::getCUDABlasLtWorkspace();
}

void ReleaseCublasWorkspaces(c10::Device device) {
  Release([&](const void*, c10::Device owner) { return owner == device; });
}

void ReleaseCublasWorkspaces(c10::cuda::CUDAStream stream) {
  Release([&](const void* used, c10::Device owner) {
    return owner == stream.device() && used == stream.stream();
  });
}

}  // namespace clip_blip
