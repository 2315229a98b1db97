// The addon for tests: everything that the shipped one has, and a switch for faults.

#include "../addon.h"
#include "../bindings/convert.h"
#include "../bindings/errors.h"
#include "../core/device_turns.h"
#include "faults.h"

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

Napi::Value MostDeviceCallsValue(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(MostDeviceCalls()));
}

Napi::Value ForgetLostDeviceValue(const Napi::CallbackInfo& info) {
  DeviceTurns::Instance().ForgetLost(ToString(info[0], "device"));
  return info.Env().Undefined();
}

Napi::Object InitializeWithFaults(Napi::Env env, Napi::Object exports) {
  InitializeAddon(env, exports);
#define CLIP_BLIP_EXPORT(name, function) \
  exports.Set(name, Napi::Function::New<Throwing<function>>(env, name))
  CLIP_BLIP_EXPORT("armFault", ArmFaultValue);
  CLIP_BLIP_EXPORT("deviceRuns", DeviceRunsValue);
  CLIP_BLIP_EXPORT("faultsFired", FaultsFiredValue);
  CLIP_BLIP_EXPORT("mostDeviceCalls", MostDeviceCallsValue);
  CLIP_BLIP_EXPORT("forgetLostDevice", ForgetLostDeviceValue);
#undef CLIP_BLIP_EXPORT
  return exports;
}

}  // namespace

NODE_API_MODULE(clip_blip_faults, InitializeWithFaults)

}  // namespace clip_blip
