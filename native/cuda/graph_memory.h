#pragma once

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAStream.h>

#include <functional>
#include <memory>

#include "device/device_backend.h"

namespace clip_blip {

/// A pool of LibTorch's allocators, with the stream that its graphs are recorded on: the allocator
/// lends a block to one stream only. Graphs with a pool each would keep a workspace of cuBLAS each.
/// It has a use of the pool for as long as it is there: one whose last graph has gone could not be
/// taken again.
class CudaGraphMemory final : public GraphMemory,
                              public std::enable_shared_from_this<CudaGraphMemory> {
 public:
  CudaGraphMemory(DeviceBackend& backend, c10::DeviceIndex device);
  ~CudaGraphMemory() override;

  void Allocate(const std::function<void()>& work) override;
  std::unique_ptr<RecordedGraph> Record(const std::function<void()>& work) override;

  /// Bytes that no tensor has, and that graphs write to when they run.
  int64_t Unused() const;

  at::cuda::MempoolId_t id() const { return id_; }
  const c10::cuda::CUDAStream& stream() const { return stream_; }

 private:
  DeviceBackend& backend_;
  const at::cuda::MempoolId_t id_;
  const c10::cuda::CUDAStream stream_;
};

}  // namespace clip_blip
