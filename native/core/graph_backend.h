#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace clip_blip {

/// Work of a device that was recorded once and is started again as a whole, on the same memory.
class RecordedGraph {
 public:
  virtual ~RecordedGraph() = default;
  virtual void Replay() = 0;
};

/// What can record on a kind of device. The one for CUDA is the optional clip_blip_cuda.so, the
/// only part that is built with CUDA's headers.
class GraphBackend {
 public:
  virtual ~GraphBackend() = default;
  /// Runs `work` once as usual and once to record it. An exception of `work` leaves as it is.
  virtual std::unique_ptr<RecordedGraph> Record(c10::Device device,
                                                const std::function<void()>& work) = 0;
  /// Bytes of the device that this process may take.
  virtual int64_t Capacity(c10::Device device) = 0;
};

/// The name and the type of the function that clip_blip_cuda.so exports. It is given the version of
/// LibTorch that the addon was built against, and answers null where its own is another: classes of
/// LibTorch that it holds by value change their size from version to version.
constexpr const char* kGraphBackendSymbol = "clip_blip_graph_backend";
using GraphBackendFunction = GraphBackend* (*)(const char* torch_version);

/// What records on this device; null where nothing does.
GraphBackend* GraphBackendFor(c10::Device device);

}  // namespace clip_blip
