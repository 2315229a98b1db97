#pragma once

#include "../napi_setup.h"

namespace clip_blip {

// The addon's exports, in the order of NativeBinding in lib/native/types.ts. One file each, or one
// for a few that belong together.

// system.cc
Napi::Value TorchVersion(const Napi::CallbackInfo& info);
Napi::Value Devices(const Napi::CallbackInfo& info);
Napi::Value CpuHasFastBfloat16Value(const Napi::CallbackInfo& info);

// build_module.cc
Napi::Value BuildModuleAsync(const Napi::CallbackInfo& info);
// save_module.cc
Napi::Value SaveModuleAsync(const Napi::CallbackInfo& info);
// read_extra_files.cc
Napi::Value ReadExtraFilesAsync(const Napi::CallbackInfo& info);
// load_module.cc
Napi::Value LoadModuleAsync(const Napi::CallbackInfo& info);
// module_state.cc
Napi::Value UnloadModule(const Napi::CallbackInfo& info);
Napi::Value ModuleBytes(const Napi::CallbackInfo& info);
Napi::Value LiveModules(const Napi::CallbackInfo& info);
Napi::Value LiveJobs(const Napi::CallbackInfo& info);

// preprocess.cc
Napi::Value NeededColumnsOf(const Napi::CallbackInfo& info);
Napi::Value PreprocessAsync(const Napi::CallbackInfo& info);
// encode_images.cc
Napi::Value EncodeImagesAsync(const Napi::CallbackInfo& info);
// encode_texts.cc
Napi::Value EncodeTextsAsync(const Napi::CallbackInfo& info);
// caption.cc
Napi::Value CaptionAsync(const Napi::CallbackInfo& info);
// answer.cc
Napi::Value AnswerAsync(const Napi::CallbackInfo& info);
// match.cc
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
