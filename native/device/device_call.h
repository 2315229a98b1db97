#pragma once

#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>

#include "device/device_backend.h"
#include "device/device_thread.h"
#include "device/failure.h"
#include "device/graph_cache.h"
#include "device/memory.h"
#include "device/run_options.h"
#include "device/runtime.h"
#include "device/test_seam.h"

namespace clip_blip {

/// Whether a device still responds. After a fault that it cannot recover from every later call
/// fails. A lack of memory is a response.
inline bool Responds(c10::Device device) {
  if (device.is_cpu()) return true;
  std::optional<Failure> failure = Attempt(
      [&] { c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index()); });
  return !failure || failure->code() == ErrorCode::kOutOfMemory;
}

/// Runs `work` on the device's thread and waits for it, with everything that a run needs around it:
/// LibTorch's per-thread settings, the count and the limit of memory. Returns the peak bytes of the
/// call. The device's cache goes back after the answer.
template <typename Work>
int64_t CallOnDevice(c10::Device device, const RunOptions& options, Work&& work) {
  DeviceCallMark mark;
  int64_t peak = 0;
  std::optional<Failure> failure;
  auto run = [&] {
    c10::InferenceMode inference;
    c10::OptionalDeviceGuard device_guard;
    if (!device.is_cpu()) device_guard.reset_device(device);
    UseAllThreads();
    std::optional<Failure> fault = Attempt([&] {
      // The workspace of matrix products stays between calls. So it does not count as this call's
      // memory, and must not lie in a block that goes back after it.
      if (DeviceBackend* backend = BackendOf(device)) backend->MakeWorkspace(device);
      MemoryScope scope(device, options.memory_limit);
      scope.KeepFreedBlocks();
      work();
      peak = scope.PeakBytes();
    });
    // No exception of LibTorch, and none of the call's tensors, is alive from here on.
    if (fault && fault->code() == ErrorCode::kOutOfMemory) GraphCache::ReleaseAll(device);
    if (fault && !Responds(device)) fault = Failure(ErrorCode::kDeviceLost, fault->message());
    if (fault) throw *fault;
  };
  RunOnDeviceThread(device, [&] { failure = Attempt(run); }, options.release_cache);
  if (failure) throw *failure;
  return peak;
}

}  // namespace clip_blip
