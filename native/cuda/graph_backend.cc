// CUDA graphs for clip_blip_torch.so, which opens this library where it is there.

#include "../core/graph_backend.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <string_view>
#include <utility>

namespace at::cuda {
// Of ATen/cuda/CUDAContextLight.h, which includes the headers of cuBLAS, cuSOLVER and cuSPARSE, too.
void clearCublasWorkspaces();
}  // namespace at::cuda

namespace clip_blip {
namespace {

class CudaGraph final : public RecordedGraph {
 public:
  explicit CudaGraph(c10::cuda::CUDAStream stream) : stream_(stream) {}

  void Record(const std::function<void()>& work) {
    c10::cuda::CUDAStreamGuard guard(stream_);
    // Lazy initialisations (handles, workspaces) are not allowed while recording.
    work();
    stream_.synchronize();
    // The recording has a workspace of cuBLAS in its own pool. One outside of it would stay on the
    // device for each stream, and could be freed while the graph still writes to it.
    at::cuda::clearCublasWorkspaces();
    // Other threads go on using CUDA meanwhile.
    graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      // The recording has to be ended before the stream can be used again.
      try {
        graph_.capture_end();
      } catch (...) {
      }
      at::cuda::clearCublasWorkspaces();
      throw;
    }
    graph_.capture_end();
    at::cuda::clearCublasWorkspaces();
  }

  /// On the caller's stream, behind what it has been given already.
  void Replay() override { graph_.replay(); }

 private:
  c10::cuda::CUDAStream stream_;
  at::cuda::CUDAGraph graph_;
};

class CudaGraphBackend final : public GraphBackend {
 public:
  std::unique_ptr<RecordedGraph> Record(c10::Device device,
                                        const std::function<void()>& work) override {
    c10::cuda::CUDAGuard guard(device);
    // What the caller's stream still does to the input must be over before another stream reads it.
    c10::cuda::getCurrentCUDAStream().synchronize();
    // A stream of its own for each graph: with one shared, memory of one could be taken by another.
    auto graph = std::make_unique<CudaGraph>(c10::cuda::getStreamFromPool());
    graph->Record(work);
    return graph;
  }
};

}  // namespace
}  // namespace clip_blip

extern "C" __attribute__((visibility("default"))) clip_blip::GraphBackend*
clip_blip_graph_backend(const char* torch_version) {
  if (std::string_view(torch_version) != CLIP_BLIP_TORCH_VERSION) return nullptr;
  static auto* backend = new clip_blip::CudaGraphBackend();
  return backend;
}
