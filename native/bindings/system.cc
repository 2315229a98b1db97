#include <torch/csrc/api/include/torch/version.h>

#include "bindings/operations.h"
#include "device/devices.h"

namespace clip_blip {

Napi::Value TorchVersion(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), TORCH_VERSION);
}

Napi::Value Devices(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<DeviceInfo> devices = ListDevices();
  Napi::Array result = Napi::Array::New(env, devices.size());
  for (size_t i = 0; i < devices.size(); ++i) {
    Napi::Object device = Napi::Object::New(env);
    device.Set("name", devices[i].name);
    device.Set("description", devices[i].description);
    result.Set(static_cast<uint32_t>(i), device);
  }
  return result;
}

Napi::Value CpuHasFastBfloat16Value(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), CpuHasFastBfloat16());
}

}  // namespace clip_blip
