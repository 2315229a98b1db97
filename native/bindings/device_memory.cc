#include "../core/devices.h"
#include "../core/memory.h"
#include "convert.h"
#include "operations.h"

namespace clip_blip {

Napi::Value Memory(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  DeviceMemory memory = MemoryOf(ParseDevice(ToString(info[0], "device")));
  Napi::Object result = Napi::Object::New(env);
  result.Set("allocated", static_cast<double>(memory.allocated));
  result.Set("reserved", static_cast<double>(memory.reserved));
  result.Set("peak", static_cast<double>(memory.peak));
  if (memory.free) result.Set("free", static_cast<double>(*memory.free));
  if (memory.total) result.Set("total", static_cast<double>(*memory.total));
  return result;
}

Napi::Value ResetPeakOf(const Napi::CallbackInfo& info) {
  ResetPeak(ParseDevice(ToString(info[0], "device")));
  return info.Env().Undefined();
}

Napi::Value EmptyCacheOf(const Napi::CallbackInfo& info) {
  EmptyCache(ParseDevice(ToString(info[0], "device")));
  return info.Env().Undefined();
}

}  // namespace clip_blip
