#include "bindings/convert.h"
#include "bindings/operations.h"
#include "bindings/promise_worker.h"
#include "device/devices.h"
#include "device/memory.h"

namespace clip_blip {

Napi::Value Memory(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  DeviceMemory memory = MemoryOf(ParseDevice(ToString(info[0], "device")));
  Napi::Object result = Napi::Object::New(env);
  result.Set("allocated", static_cast<double>(memory.allocated));
  result.Set("reserved", static_cast<double>(memory.reserved));
  result.Set("peak", static_cast<double>(memory.peak));
  result.Set("heldByGraphs", static_cast<double>(memory.held_by_graphs));
  if (memory.free) result.Set("free", static_cast<double>(*memory.free));
  if (memory.total) result.Set("total", static_cast<double>(*memory.total));
  return result;
}

Napi::Value ResetPeakOf(const Napi::CallbackInfo& info) {
  ResetPeak(ParseDevice(ToString(info[0], "device")));
  return info.Env().Undefined();
}

Napi::Value EmptyCacheAsync(const Napi::CallbackInfo& info) {
  c10::Device device = ParseDevice(ToString(info[0], "device"));
  // In the pool: each block that goes back is a call to the driver, which waits for the device.
  return RunInPool(info.Env(), [device] { EmptyCache(device); });
}

}  // namespace clip_blip
