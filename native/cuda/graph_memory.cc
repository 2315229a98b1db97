#include "graph_memory.h"

#include <ATen/core/CachingHostAllocator.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/util/Exception.h>

#include <thread>
#include <utility>

#include "workspaces.h"

namespace clip_blip {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

/// A graph of LibTorch that tells whether its recording came to its end.
class Recording final : public at::cuda::CUDAGraph {
 public:
  bool ended() const { return capture_ended_; }
};

template <typename Work>
void Quietly(const Work& work) {
  try {
    work();
  } catch (...) {
    // A failure on the way out of another one, which is what the caller hears of.
  }
}

class CudaGraph final : public RecordedGraph {
 public:
  explicit CudaGraph(std::shared_ptr<CudaGraphMemory> memory) : memory_(std::move(memory)) {}

  void Record(const std::function<void()>& work) {
    c10::cuda::CUDAStreamGuard guard(memory_->stream());
    // Other threads go on using CUDA meanwhile.
    graph_.capture_begin(memory_->id(), cudaStreamCaptureModeThreadLocal);
    try {
      work();
      graph_.capture_end();
    } catch (...) {
      End();
      throw;
    }
    // The workspace that the products were recorded with lies in the pool, where the next graph may
    // write: nothing else may go on using it.
    ReleaseCublasWorkspaces(memory_->stream());
  }

  /// On the caller's stream, behind what it has been given already.
  void Replay() override { graph_.replay(); }

 private:
  /// The recording has to be ended before the stream can be used again.
  void End() {
    if (!graph_.ended()) Quietly([&] { graph_.capture_end(); });
    ReleaseCublasWorkspaces(memory_->stream());
    if (graph_.ended()) return;
    // LibTorch leaves both pools taken where CUDA has refused the recording.
    c10::DeviceIndex device = memory_->stream().device_index();
    at::cuda::MempoolId_t id = memory_->id();
    Quietly([&] { allocator::endAllocateToPool(device, id); });
    Quietly([&] { allocator::releasePool(device, id); });
    at::HostAllocator* pinned = at::getHostAllocator(at::kCUDA);
    Quietly([&] { pinned->end_allocate_to_pool(id); });
    Quietly([&] { pinned->release_pool(id); });
  }

  std::shared_ptr<CudaGraphMemory> memory_;
  Recording graph_;
};

}  // namespace

CudaGraphMemory::CudaGraphMemory(c10::DeviceIndex device)
    : id_(at::cuda::graph_pool_handle()),
      stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {}

CudaGraphMemory::~CudaGraphMemory() {
  for (; uses_ > 0; --uses_) {
    Quietly([&] { allocator::releasePool(stream_.device_index(), id_); });
  }
}

void CudaGraphMemory::Allocate(const std::function<void()>& work) {
  c10::DeviceIndex device = stream_.device_index();
  auto here = [thread = std::this_thread::get_id()](cudaStream_t) {
    return std::this_thread::get_id() == thread;
  };
  allocator::beginAllocateToPool(device, id_, here);
  ++uses_;
  try {
    work();
  } catch (...) {
    allocator::endAllocateToPool(device, id_);
    throw;
  }
  allocator::endAllocateToPool(device, id_);
}

std::unique_ptr<RecordedGraph> CudaGraphMemory::Record(const std::function<void()>& work) {
  c10::cuda::CUDAGuard guard(stream_.device());
  // Lazy initialisations (handles, kernels) are not allowed while recording.
  work();
  // What the caller's stream still does to the input must be over before another stream reads it.
  c10::cuda::getCurrentCUDAStream().synchronize();
  auto record = [&] {
    auto graph = std::make_unique<CudaGraph>(shared_from_this());
    graph->Record(work);
    return graph;
  };
  try {
    return record();
  } catch (const c10::OutOfMemoryError&) {
    // While it records, the allocator does not give up what it has cached.
  }
  allocator::emptyCache();
  return record();
}

int64_t CudaGraphMemory::Unused() const {
  int64_t unused = 0;
  for (const auto& segment : allocator::snapshot(id_, /*include_traces=*/false).segments) {
    if (segment.device != stream_.device_index() || segment.owner_private_pool_id != id_) continue;
    unused += static_cast<int64_t>(segment.total_size - segment.allocated_size);
  }
  return unused;
}

}  // namespace clip_blip
