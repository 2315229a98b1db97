#pragma once

#include <c10/core/Device.h>

#include <functional>

namespace clip_blip {

/// Runs work on the one thread of its device, and waits until it is done. cuBLAS, cuDNN and OpenMP
/// keep handles, workspaces and helpers for every thread that calls them, and a pool has several:
/// so they are there once for a device. `work` must not throw.
void RunOnDeviceThread(c10::Device device, const std::function<void()>& work);

}  // namespace clip_blip
