#pragma once

#include <c10/core/Device.h>

#include <functional>

#include "device/run_options.h"

namespace clip_blip {

/// Runs work on the one thread of its device, and waits until it is done. cuBLAS, cuDNN and OpenMP
/// keep handles, workspaces and helpers for every thread that calls them, and a pool has several:
/// so they are there once for a device. `work` must not throw. The memory that the device's
/// allocator keeps is returned after the caller has its answer, as `release` says: each block is a
/// call to the driver, and nobody has to wait for it.
void RunOnDeviceThread(c10::Device device, const std::function<void()>& work,
                       CacheRelease release = CacheRelease::kOnOutOfMemory);

/// Whether the thread has work, so that a new call would wait.
bool IsBusy(c10::Device device);

}  // namespace clip_blip
