// The addon's export list; each function is explained in lib/native/types.ts.

#include "addon.h"

#include "bindings/errors.h"
#include "bindings/operations.h"
#include "device/runtime.h"
#include "napi_setup.h"

namespace clip_blip {
namespace {

template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
Napi::Function Export(Napi::Env env, const char* name) {
  return Napi::Function::New<Function>(env, name);
}

}  // namespace

Napi::Object InitializeAddon(Napi::Env env, Napi::Object exports) {
  InitializeProcess();

#define CLIP_BLIP_EXPORT(name, how, function) exports.Set(name, Export<how<function>>(env, name))
  CLIP_BLIP_EXPORT("torchVersion", Throwing, TorchVersion);
  CLIP_BLIP_EXPORT("devices", Throwing, Devices);
  CLIP_BLIP_EXPORT("cpuHasFastBfloat16", Throwing, CpuHasFastBfloat16Value);
  CLIP_BLIP_EXPORT("buildModule", Rejecting, BuildModuleAsync);
  CLIP_BLIP_EXPORT("saveModule", Rejecting, SaveModuleAsync);
  CLIP_BLIP_EXPORT("readExtraFiles", Rejecting, ReadExtraFilesAsync);
  CLIP_BLIP_EXPORT("loadModule", Rejecting, LoadModuleAsync);
  CLIP_BLIP_EXPORT("unloadModule", Rejecting, UnloadModule);
  CLIP_BLIP_EXPORT("moduleBytes", Throwing, ModuleBytes);
  CLIP_BLIP_EXPORT("liveModules", Throwing, LiveModules);
  CLIP_BLIP_EXPORT("liveJobs", Throwing, LiveJobs);
  CLIP_BLIP_EXPORT("neededColumns", Throwing, NeededColumnsOf);
  CLIP_BLIP_EXPORT("preprocess", Rejecting, PreprocessAsync);
  CLIP_BLIP_EXPORT("encodeImages", Rejecting, EncodeImagesAsync);
  CLIP_BLIP_EXPORT("encodeTexts", Rejecting, EncodeTextsAsync);
  CLIP_BLIP_EXPORT("caption", Rejecting, CaptionAsync);
  CLIP_BLIP_EXPORT("answer", Rejecting, AnswerAsync);
  CLIP_BLIP_EXPORT("match", Rejecting, MatchAsync);
  CLIP_BLIP_EXPORT("tryAcquireDevice", Throwing, TryAcquireDevice);
  CLIP_BLIP_EXPORT("acquireDevice", Rejecting, AcquireDevice);
  CLIP_BLIP_EXPORT("releaseDevice", Throwing, ReleaseDevice);
  CLIP_BLIP_EXPORT("waitingForDevice", Throwing, WaitingForDevice);
  CLIP_BLIP_EXPORT("markDeviceLost", Throwing, MarkDeviceLost);
  CLIP_BLIP_EXPORT("lostReason", Throwing, LostReason);
  CLIP_BLIP_EXPORT("memory", Throwing, Memory);
  CLIP_BLIP_EXPORT("resetPeak", Throwing, ResetPeakOf);
  CLIP_BLIP_EXPORT("emptyCache", Rejecting, EmptyCacheAsync);
#undef CLIP_BLIP_EXPORT
  return exports;
}

}  // namespace clip_blip
