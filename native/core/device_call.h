#pragma once

#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>
#include <utility>

#include "call_block.h"
#include "device_backend.h"
#include "device_run_hook.h"
#include "device_thread.h"
#include "failure.h"
#include "loaded_module.h"
#include "memory.h"
#include "runtime.h"
#include "types.h"

namespace clip_blip {

/// Whether a device answers at all: a fault that it cannot recover from fails every later call,
/// too. That memory is short is an answer.
inline bool Answers(c10::Device device) {
  if (device.is_cpu()) return true;
  std::optional<Failure> failure = Attempt(
      [&] { c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index()); });
  return !failure || failure->code() == ErrorCode::kOutOfMemory;
}

/// Everything around a run on a device, on the thread of the device: LibTorch's per-thread
/// settings, the memory's count and limit. Returns the peak bytes of the call.
template <typename Work>
int64_t CallOnDeviceThread(c10::Device device, const RunOptions& options, Work& work) {
  int64_t peak = 0;
  c10::InferenceMode inference;
  c10::OptionalDeviceGuard device_guard;
  if (!device.is_cpu()) device_guard.reset_device(device);
  UseAllThreads();
  std::optional<Failure> failure = Attempt([&] {
    // The workspace of matrix products stays between calls: it is none of this call's memory, and
    // must not come to lie in a block that shall go back.
    if (DeviceBackend* backend = BackendOf(device)) backend->MakeWorkspace(device);
    MemoryScope scope(device, options.memory_limit);
    scope.KeepFreedBlocks();
    work();
    peak = scope.PeakBytes();
  });
  // No exception of LibTorch, and none of the call's tensors, is alive from here on.
  if (failure && failure->code() == ErrorCode::kOutOfMemory) GraphCache::ReleaseAll(device);
  if (failure && !Answers(device)) failure = Failure(ErrorCode::kDeviceLost, failure->message());
  if (failure) throw *failure;
  return peak;
}

/// The same for any thread, which waits for it. The device's cache goes back behind the answer.
template <typename Work>
int64_t CallOnDevice(c10::Device device, const RunOptions& options, Work&& work) {
  DeviceCallMark mark;
  int64_t peak = 0;
  std::optional<Failure> failure;
  auto job = [&] { failure = Attempt([&] { peak = CallOnDeviceThread(device, options, work); }); };
  RunOnDeviceThread(device, job, options.release_cache);
  if (failure) throw *failure;
  return peak;
}

template <typename Work>
int64_t CallOnDevice(const LoadedModule& module, const CallShape& shape, const RunOptions& options,
                     Work&& work) {
  CallBlocks* blocks = module.blocks();
  PixelStage* stage = module.pixel_stage();
  bool kept = options.release_cache == CacheRelease::kOnOutOfMemory;
  try {
    return CallOnDevice(module.device(), options, [&] {
      GraphCache::Pause pause(options.record ? nullptr : module.graphs());
      if (blocks != nullptr) blocks->Reserve(shape);
      work();
      if (blocks != nullptr) blocks->Learn(shape);
      if (stage != nullptr) stage->EndCall(kept);
    });
  } catch (const Failure& failure) {
    if (failure.code() == ErrorCode::kOutOfMemory && stage != nullptr) stage->Release();
    throw;
  }
}

}  // namespace clip_blip
