// What clip_blip_torch.so has of CUDA where it can open this library: see device/device_backend.h.

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "cuda/graph_memory.h"
#include "cuda/linear_add.h"
#include "cuda/workspaces.h"
#include "device/device_backend.h"

namespace clip_blip {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

class CudaBackend final : public DeviceBackend {
 public:
  std::shared_ptr<GraphMemory> Graphs(c10::Device device) override {
    std::lock_guard lock(mutex_);
    std::weak_ptr<CudaGraphMemory>& known = states_[device.index()].graphs;
    std::shared_ptr<CudaGraphMemory> graphs = known.lock();
    // A new one where the last owner of the old one has gone: the allocator gives its pool up then.
    if (graphs == nullptr)
      known = graphs = std::make_shared<CudaGraphMemory>(*this, device.index());
    return graphs;
  }

  std::shared_ptr<GraphMemory> MemoryApart(c10::Device device) override {
    return std::make_shared<CudaGraphMemory>(*this, device.index());
  }

  int64_t HeldByGraphs(c10::Device device) override {
    std::shared_ptr<CudaGraphMemory> graphs;
    {
      std::lock_guard lock(mutex_);
      graphs = states_[device.index()].graphs.lock();
    }
    return graphs == nullptr ? 0 : graphs->Unused();
  }

  int64_t Capacity(c10::Device device) override {
    std::lock_guard lock(mutex_);
    return MeasuredState(device).capacity;
  }

  void EmptyCache(c10::Device device) override {
    if (!OthersHaveCached(device)) {
      allocator::emptyCache();
      return;
    }
    // LibTorch's own function empties the caches of all devices. What a device does for itself is
    // to give its cache back ahead of refusing a request: here one that no cached block can serve,
    // under a limit that leaves nothing.
    std::lock_guard lock(mutex_);
    State& state = MeasuredState(device);
    int64_t limit = state.limit;
    Limit(device, state, 0);
    c10::cuda::CUDAGuard guard(device);
    try {
      allocator::raw_delete(allocator::raw_alloc(static_cast<size_t>(state.total)));
    } catch (const c10::OutOfMemoryError&) {
      // As it shall.
    }
    Limit(device, state, limit);
  }

  void LimitReserved(c10::Device device, std::optional<int64_t> bytes) override {
    std::lock_guard lock(mutex_);
    State& state = MeasuredState(device);
    Limit(device, state, std::min(bytes.value_or(state.capacity), state.capacity));
  }

  std::optional<at::Tensor> LinearAdd(const at::Tensor& input, const at::Tensor& other,
                                      const at::Tensor& weight,
                                      const std::optional<at::Tensor>& bias) override {
    return CublasLinearAdd(input, other, weight, bias);
  }

  void MakeWorkspace(c10::Device device) override { MakeCublasWorkspace(device); }
  void ReleaseWorkspaces(c10::Device device) override { ReleaseCublasWorkspaces(device); }

 private:
  struct State {
    std::weak_ptr<CudaGraphMemory> graphs;
    int64_t total = 0;
    /// What per_process_memory_fraction or another user of LibTorch leaves of the device.
    double fraction = 1;
    int64_t capacity = 0;
    int64_t limit = 0;
  };

  State& MeasuredState(c10::Device device) {
    State& state = states_[device.index()];
    if (state.total > 0) return state;
    c10::cuda::CUDAGuard guard(device);
    size_t free = 0, total = 0;
    C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    state.total = static_cast<int64_t>(total);
    state.fraction = allocator::getMemoryFraction(device.index());
    state.capacity = static_cast<int64_t>(state.fraction * static_cast<double>(total));
    state.limit = state.capacity;
    return state;
  }

  static void Limit(c10::Device device, State& state, int64_t limit) {
    // The allocator asks the driver each time.
    if (limit == state.limit) return;
    double part = static_cast<double>(limit) / static_cast<double>(state.total);
    allocator::setMemoryFraction(limit == state.capacity ? state.fraction : part, device.index());
    state.limit = limit;
  }

  bool OthersHaveCached(c10::Device device) {
    for (c10::DeviceIndex index = 0; index < c10::cuda::device_count(); ++index) {
      if (index == device.index()) continue;
      auto stats = allocator::getDeviceStats(index);
      int64_t cached = stats.reserved_bytes[0].current - stats.allocated_bytes[0].current;
      if (cached > HeldByGraphs(c10::Device(c10::kCUDA, index))) return true;
    }
    return false;
  }

  std::mutex mutex_;
  std::map<c10::DeviceIndex, State> states_;
};

}  // namespace
}  // namespace clip_blip

extern "C" __attribute__((visibility("default"))) clip_blip::DeviceBackend*
clip_blip_device_backend(const char* torch_version) {
  if (std::string_view(torch_version) != CLIP_BLIP_TORCH_VERSION) return nullptr;
  static auto* backend = new clip_blip::CudaBackend();
  return backend;
}
