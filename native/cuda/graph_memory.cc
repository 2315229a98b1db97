#include "cuda/graph_memory.h"

#include <ATen/core/CachingHostAllocator.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/util/Exception.h>

#include <thread>
#include <utility>

#include "cuda/workspaces.h"

namespace clip_blip {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

/// A graph of LibTorch that tells whether its recording came to its end.
class Recording final : public at::cuda::CUDAGraph {
 public:
  bool ended() const { return capture_ended_; }
};

class Silence final : public c10::WarningHandler {
  void process(const c10::Warning&) override {}
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
    int uses = allocator::getPoolUseCount(memory_->stream().device_index(), memory_->id());
    try {
      // Other threads go on using CUDA meanwhile.
      graph_.capture_begin(memory_->id(), cudaStreamCaptureModeThreadLocal);
      work();
      graph_.capture_end();
    } catch (...) {
      End(uses);
      throw;
    }
    // The workspace that the products were recorded with lies in the pool, where the next graph may
    // write: nothing else may go on using it.
    ReleaseCublasWorkspaces(memory_->stream());
  }

  /// On the caller's stream, behind what it has been given already.
  void Replay() override { graph_.replay(); }

 private:
  /// The recording has to be ended before the stream can be used again; `uses` of the pool were
  /// there before it.
  void End(int uses) {
    if (!graph_.ended()) {
      // Where memory ran out at the first tensor it would tell the user that a graph is empty.
      Silence silence;
      c10::WarningUtils::WarningHandlerGuard guard(&silence);
      Quietly([&] { graph_.capture_end(); });
    }
    ReleaseCublasWorkspaces(memory_->stream());
    if (graph_.ended()) return;
    // LibTorch leaves both pools taken where CUDA has refused the recording.
    c10::DeviceIndex device = memory_->stream().device_index();
    at::cuda::MempoolId_t id = memory_->id();
    Quietly([&] { allocator::endAllocateToPool(device, id); });
    Quietly([&] {
      while (allocator::getPoolUseCount(device, id) > uses) allocator::releasePool(device, id);
    });
    at::HostAllocator* pinned = at::getHostAllocator(at::kCUDA);
    Quietly([&] {
      pinned->end_allocate_to_pool(id);
      pinned->release_pool(id);
    });
  }

  std::shared_ptr<CudaGraphMemory> memory_;
  Recording graph_;
};

}  // namespace

CudaGraphMemory::CudaGraphMemory(DeviceBackend& backend, c10::DeviceIndex device)
    : backend_(backend),
      id_(at::cuda::graph_pool_handle()),
      stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {
  allocator::beginAllocateToPool(device, id_, [](cudaStream_t) { return false; });
  allocator::endAllocateToPool(device, id_);
  at::HostAllocator* pinned = at::getHostAllocator(at::kCUDA);
  pinned->begin_allocate_to_pool(id_, [](c10::Stream) { return false; });
  pinned->end_allocate_to_pool(id_);
}

CudaGraphMemory::~CudaGraphMemory() {
  Quietly([&] { allocator::releasePool(stream_.device_index(), id_); });
  Quietly([&] { at::getHostAllocator(at::kCUDA)->release_pool(id_); });
}

void CudaGraphMemory::Allocate(const std::function<void()>& work) {
  c10::DeviceIndex device = stream_.device_index();
  auto here = [thread = std::this_thread::get_id()](cudaStream_t) {
    return std::this_thread::get_id() == thread;
  };
  allocator::beginAllocateToPool(device, id_, here);
  auto end = [&] {
    allocator::endAllocateToPool(device, id_);
    allocator::releasePool(device, id_);
  };
  try {
    work();
  } catch (...) {
    end();
    throw;
  }
  end();
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
  backend_.EmptyCache(stream_.device());
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
