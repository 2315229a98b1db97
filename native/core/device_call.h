#pragma once

#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <optional>

#include "failure.h"
#include "loaded_module.h"
#include "memory.h"
#include "runtime.h"
#include "types.h"

namespace clip_blip {

/// Everything around a run on a device: LibTorch's per-thread settings, the memory's count and
/// limit, the cache given back at the end. Returns the peak bytes of the call.
template <typename Work>
int64_t CallOnDevice(const LoadedModule& module, const RunOptions& options, Work&& work) {
  c10::Device device = module.device();
  int64_t peak = 0;
  std::optional<Failure> failure;
  {
    c10::InferenceMode inference;
    c10::OptionalDeviceGuard device_guard;
    if (!device.is_cpu()) device_guard.reset_device(device);
    UseAllThreads();
    CacheGuard cache_guard(device, options.release_cache);
    // The failure is a value by the time the guard frees the cache: no exception, and none of the
    // call's tensors, is alive then.
    failure = Attempt([&] {
      MemoryScope scope(device, options.memory_limit);
      work();
      peak = scope.PeakBytes();
    });
  }
  if (failure) throw *failure;
  return peak;
}

}  // namespace clip_blip
