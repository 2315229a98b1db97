// The addon for tests: everything that the shipped one has, and a switch for faults.

#include "addon.h"

#include "bindings/convert.h"
#include "bindings/errors.h"
#include "device/device_turns.h"
#include "faults/caching_device.h"
#include "faults/faults.h"
#include "faults/recording.h"

#ifdef CLIP_BLIP_SANITIZE
#include "faults/seeded.h"
#endif

namespace clip_blip {
namespace {

Napi::Value ArmFaultValue(const Napi::CallbackInfo& info) {
  ArmFault(ToString(info[0], "kind"), ToInt(info[1], "nth"));
  return info.Env().Undefined();
}

Napi::Value DeviceRunsValue(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(DeviceRuns()));
}

Napi::Value FaultsFiredValue(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(FaultsFired()));
}

Napi::Value DeviceThreadsValue(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(DeviceThreads()));
}

Napi::Value MostDeviceCallsValue(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(MostDeviceCalls()));
}

Napi::Value ForgetLostDeviceValue(const Napi::CallbackInfo& info) {
  DeviceTurns::Instance().ForgetLost(ToString(info[0], "device"));
  return info.Env().Undefined();
}

Napi::Value RecordOnCpuValue(const Napi::CallbackInfo& info) {
  RecordOnCpu(ToBool(info[0], "on"));
  return info.Env().Undefined();
}

Napi::Value GraphCountsValue(const Napi::CallbackInfo& info) {
  Napi::Object counts = Napi::Object::New(info.Env());
  counts.Set("recorded", static_cast<double>(GraphsRecorded()));
  counts.Set("replayed", static_cast<double>(GraphsReplayed()));
  return counts;
}

Napi::Value InstallCachingDeviceValue(const Napi::CallbackInfo& info) {
  InstallCachingDevice(ToInt(info[0], "capacity"));
  return info.Env().Undefined();
}

Napi::Value BreakCachingDeviceValue(const Napi::CallbackInfo& info) {
  BreakCachingDevice(ToBool(info[0], "broken"));
  return info.Env().Undefined();
}

Napi::Value CallOnCachingDeviceValue(const Napi::CallbackInfo& info) {
  CachingDeviceCall call;
  Napi::Array blocks = ToArray(info[0], "blocks");
  for (uint32_t i = 0; i < blocks.Length(); ++i) {
    call.blocks.push_back(ToInt(blocks.Get(i), "blocks"));
  }
  call.release_cache = ToCacheRelease(info[1], "releaseCache");
  call.fault = ToString(info[2], "fault");
  return Napi::Number::New(info.Env(), static_cast<double>(CallOnCachingDevice(call)));
}

Napi::Value CachesEmptiedValue(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(CachesEmptied()));
}

#ifdef CLIP_BLIP_SANITIZE
Napi::Value MakeMistakeValue(const Napi::CallbackInfo& info) {
  MakeMistake(ToString(info[0], "kind"));
  return info.Env().Undefined();
}
#endif

Napi::Object InitializeWithFaults(Napi::Env env, Napi::Object exports) {
  InitializeAddon(env, exports);
#define CLIP_BLIP_EXPORT(name, function) \
  exports.Set(name, Napi::Function::New<Throwing<function>>(env, name))
  CLIP_BLIP_EXPORT("armFault", ArmFaultValue);
  CLIP_BLIP_EXPORT("deviceRuns", DeviceRunsValue);
  CLIP_BLIP_EXPORT("faultsFired", FaultsFiredValue);
  CLIP_BLIP_EXPORT("deviceThreads", DeviceThreadsValue);
  CLIP_BLIP_EXPORT("mostDeviceCalls", MostDeviceCallsValue);
  CLIP_BLIP_EXPORT("forgetLostDevice", ForgetLostDeviceValue);
  CLIP_BLIP_EXPORT("recordOnCpu", RecordOnCpuValue);
  CLIP_BLIP_EXPORT("graphCounts", GraphCountsValue);
  CLIP_BLIP_EXPORT("installCachingDevice", InstallCachingDeviceValue);
  CLIP_BLIP_EXPORT("breakCachingDevice", BreakCachingDeviceValue);
  CLIP_BLIP_EXPORT("callOnCachingDevice", CallOnCachingDeviceValue);
  CLIP_BLIP_EXPORT("cachesEmptied", CachesEmptiedValue);
#ifdef CLIP_BLIP_SANITIZE
  CLIP_BLIP_EXPORT("makeMistake", MakeMistakeValue);
#endif
#undef CLIP_BLIP_EXPORT
  return exports;
}

}  // namespace

NODE_API_MODULE(clip_blip_faults, InitializeWithFaults)

}  // namespace clip_blip
