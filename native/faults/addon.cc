// The addon for tests: everything that the shipped one has, and a switch for faults.

#include "../addon.h"
#include "../bindings/convert.h"
#include "../bindings/errors.h"
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

Napi::Object InitializeWithFaults(Napi::Env env, Napi::Object exports) {
  InitializeAddon(env, exports);
  exports.Set("armFault", Napi::Function::New<Throwing<ArmFaultValue>>(env, "armFault"));
  exports.Set("deviceRuns", Napi::Function::New<Throwing<DeviceRunsValue>>(env, "deviceRuns"));
  exports.Set("faultsFired", Napi::Function::New<Throwing<FaultsFiredValue>>(env, "faultsFired"));
  return exports;
}

}  // namespace

NODE_API_MODULE(clip_blip_faults, InitializeWithFaults)

}  // namespace clip_blip
