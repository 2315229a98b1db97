// CUDA graphs for clip_blip_torch.so, which opens this library where it is there.

#include "../core/graph_backend.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace at::cuda {
// Of ATen/cuda/CUDAContextLight.h, which includes the headers of cuBLAS, cuSOLVER and cuSPARSE,
// too.
void clearCublasWorkspaces();
}  // namespace at::cuda

namespace clip_blip {
namespace {

/// Memory that graphs of a device share: one of them runs at a time, and what it hands out is read
/// before the next one runs. Each with a pool of its own would keep a workspace of cuBLAS, too.
class GraphPool {
 public:
  explicit GraphPool(c10::DeviceIndex device)
      : stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {}

  const at::cuda::MempoolId_t id = at::cuda::graph_pool_handle();
  /// The allocator lends a block to one stream only.
  const c10::cuda::CUDAStream stream;
};

/// A graph of LibTorch that tells whether its recording came to its end.
class Recording final : public at::cuda::CUDAGraph {
 public:
  bool ended() const { return capture_ended_; }
};

class CudaGraph final : public RecordedGraph {
 public:
  explicit CudaGraph(std::shared_ptr<GraphPool> pool) : pool_(std::move(pool)) {}

  void Record(const std::function<void()>& work) {
    c10::cuda::CUDAStreamGuard guard(pool_->stream);
    // Lazy initialisations (handles, workspaces) are not allowed while recording.
    work();
    pool_->stream.synchronize();
    // The recording has a workspace of cuBLAS in its pool. One outside of it would stay on the
    // device for each stream, and could be freed while the graph still writes to it.
    at::cuda::clearCublasWorkspaces();
    // Other threads go on using CUDA meanwhile.
    graph_.capture_begin(pool_->id, cudaStreamCaptureModeThreadLocal);
    try {
      work();
      graph_.capture_end();
    } catch (...) {
      End();
      throw;
    }
    at::cuda::clearCublasWorkspaces();
  }

  /// On the caller's stream, behind what it has been given already.
  void Replay() override { graph_.replay(); }

 private:
  /// The recording has to be ended before the stream can be used again.
  void End() {
    if (!graph_.ended()) {
      try {
        graph_.capture_end();
      } catch (...) {
      }
    }
    at::cuda::clearCublasWorkspaces();
    if (graph_.ended()) return;
    // LibTorch leaves the pool taken where CUDA has refused the recording.
    try {
      c10::DeviceIndex device = pool_->stream.device_index();
      c10::cuda::CUDACachingAllocator::endAllocateToPool(device, pool_->id);
      c10::cuda::CUDACachingAllocator::releasePool(device, pool_->id);
    } catch (...) {
    }
  }

  std::shared_ptr<GraphPool> pool_;
  Recording graph_;
};

class CudaGraphBackend final : public GraphBackend {
 public:
  std::unique_ptr<RecordedGraph> Record(c10::Device device,
                                        const std::function<void()>& work) override {
    c10::cuda::CUDAGuard guard(device);
    // What the caller's stream still does to the input must be over before another stream reads it.
    c10::cuda::getCurrentCUDAStream().synchronize();
    auto graph = std::make_unique<CudaGraph>(PoolOf(device.index()));
    graph->Record(work);
    return graph;
  }

  int64_t Capacity(c10::Device device) override {
    size_t free = 0, total = 0;
    c10::cuda::CUDAGuard guard(device);
    C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    // What per_process_memory_fraction leaves of it.
    double part = c10::cuda::CUDACachingAllocator::getMemoryFraction(device.index());
    return static_cast<int64_t>(part * static_cast<double>(total));
  }

 private:
  /// A new one where no graph is left: LibTorch gives a pool up with its last graph.
  std::shared_ptr<GraphPool> PoolOf(c10::DeviceIndex device) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<GraphPool> pool = pools_[device].lock();
    if (pool == nullptr) pools_[device] = pool = std::make_shared<GraphPool>(device);
    return pool;
  }

  std::mutex mutex_;
  std::map<c10::DeviceIndex, std::weak_ptr<GraphPool>> pools_;
};

}  // namespace
}  // namespace clip_blip

extern "C" __attribute__((visibility("default"))) clip_blip::GraphBackend* clip_blip_graph_backend(
    const char* torch_version) {
  if (std::string_view(torch_version) != CLIP_BLIP_TORCH_VERSION) return nullptr;
  static auto* backend = new clip_blip::CudaGraphBackend();
  return backend;
}
