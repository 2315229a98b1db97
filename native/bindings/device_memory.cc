#include "../core/devices.h"
#include "../core/memory.h"
#include "../promise_worker.h"
#include "convert.h"
#include "operations.h"

namespace clip_blip {
namespace {

/// On a pool thread: each block that goes back is a call to the driver, which waits for the device.
class EmptyCacheWorker final : public PromiseWorker {
 public:
  EmptyCacheWorker(Napi::Env env, c10::Device device) : PromiseWorker(env), device_(device) {}

 private:
  void Work() override { EmptyCache(device_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  c10::Device device_;
};

}  // namespace

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
  return PromiseWorker::Start<EmptyCacheWorker>(info.Env(),
                                                ParseDevice(ToString(info[0], "device")));
}

}  // namespace clip_blip
