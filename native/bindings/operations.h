#pragma once

#include "napi_setup.h"

namespace clip_blip {

// The addon's exports, in the order of NativeBinding in lib/native/types.ts. A file for
// those that belong together.

// system.cc
Napi::Value TorchVersion(const Napi::CallbackInfo& info);
Napi::Value Devices(const Napi::CallbackInfo& info);
Napi::Value CpuHasFastBfloat16Value(const Napi::CallbackInfo& info);

// build_module.cc
Napi::Value BuildModuleAsync(const Napi::CallbackInfo& info);
// archive.cc
Napi::Value SaveModuleAsync(const Napi::CallbackInfo& info);
Napi::Value ReadExtraFilesAsync(const Napi::CallbackInfo& info);
Napi::Value LoadModuleAsync(const Napi::CallbackInfo& info);
// module_handle.cc
/// Lets a handle's module go; a promise that resolves when the weights are freed, or left to a call
/// that uses them still. Idempotent.
Napi::Value UnloadModule(const Napi::CallbackInfo& info);
Napi::Value ModuleBytes(const Napi::CallbackInfo& info);
Napi::Value LiveModules(const Napi::CallbackInfo& info);
Napi::Value LiveJobs(const Napi::CallbackInfo& info);

// preprocess.cc
Napi::Value NeededColumnsOf(const Napi::CallbackInfo& info);
Napi::Value PreprocessAsync(const Napi::CallbackInfo& info);
// task_calls.cc
Napi::Value EncodeImagesAsync(const Napi::CallbackInfo& info);
Napi::Value EncodeTextsAsync(const Napi::CallbackInfo& info);
Napi::Value CaptionAsync(const Napi::CallbackInfo& info);
Napi::Value AnswerAsync(const Napi::CallbackInfo& info);
Napi::Value MatchAsync(const Napi::CallbackInfo& info);

// device_turns.cc
Napi::Value TryAcquireDevice(const Napi::CallbackInfo& info);
Napi::Value AcquireDevice(const Napi::CallbackInfo& info);
Napi::Value ReleaseDevice(const Napi::CallbackInfo& info);
Napi::Value WaitingForDevice(const Napi::CallbackInfo& info);
Napi::Value MarkDeviceLost(const Napi::CallbackInfo& info);
Napi::Value LostReason(const Napi::CallbackInfo& info);

// device_memory.cc

Napi::Value Memory(const Napi::CallbackInfo& info);
Napi::Value ResetPeakOf(const Napi::CallbackInfo& info);
Napi::Value EmptyCacheAsync(const Napi::CallbackInfo& info);

}  // namespace clip_blip
