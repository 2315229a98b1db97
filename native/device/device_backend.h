#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace clip_blip {

/// Work of a device that was recorded once and is replayed as a whole, on the same memory.
class RecordedGraph {
 public:
  virtual ~RecordedGraph() = default;
  virtual void Replay() = 0;
};

/// Memory of a device that is freed with its last owner. Recorded graphs share one: only one of
/// them runs at a time, and its results are read before the next one runs.
class GraphMemory {
 public:
  virtual ~GraphMemory() = default;
  /// Runs `work`, whose tensors come from this memory: those that stay where they are from call to
  /// call do not lie among what goes back after a call.
  virtual void Allocate(const std::function<void()>& work) = 0;
  /// Runs `work` once as usual and once to record it. An exception of `work` leaves as it is.
  virtual std::unique_ptr<RecordedGraph> Record(const std::function<void()>& work) = 0;
};

/// What a kind of device can do that LibTorch has no device-independent API for. The one for CUDA
/// is the optional clip_blip_cuda.so, the only part that is built with CUDA's headers.
class DeviceBackend {
 public:
  virtual ~DeviceBackend() = default;

  virtual std::shared_ptr<GraphMemory> Graphs(c10::Device device) = 0;
  /// Memory that is shared with nobody.
  virtual std::shared_ptr<GraphMemory> MemoryApart(c10::Device device) = 0;
  /// Bytes that graphs hold for their next run, and nothing else can take.
  virtual int64_t HeldByGraphs(c10::Device) { return 0; }

  /// Bytes of the device that this process may take.
  virtual int64_t Capacity(c10::Device device) = 0;
  /// Returns what the allocator keeps of this device alone.
  virtual void EmptyCache(c10::Device) {}

  /// From now on the allocator takes no more than `bytes` in all from the device; nothing: its
  /// capacity.
  virtual void LimitReserved(c10::Device, std::optional<int64_t>) {}

  /// `linear(input, weight, bias) + other` as one product, where there is one for these types and
  /// strides. `other` has the output's shape.
  virtual std::optional<at::Tensor> LinearAdd(const at::Tensor&, const at::Tensor& /*other*/,
                                              const at::Tensor& /*weight*/,
                                              const std::optional<at::Tensor>& /*bias*/) {
    return std::nullopt;
  }

  /// Makes the workspace that matrix products of the calling thread have on the device, where there
  /// is none.
  virtual void MakeWorkspace(c10::Device) {}
  /// Gives up those of all threads on this device.
  virtual void ReleaseWorkspaces(c10::Device) {}
};

/// The name and the type of the function that clip_blip_cuda.so exports. It is given the version of
/// LibTorch that the addon was built against, and answers null where its own is another: classes of
/// LibTorch that it holds by value change their size from version to version.
constexpr const char* kDeviceBackendSymbol = "clip_blip_device_backend";
using DeviceBackendFunction = DeviceBackend* (*)(const char* torch_version);

/// Null where the device has none: calls run without graphs, and under no limit.
DeviceBackend* BackendOf(c10::Device device);

}  // namespace clip_blip
