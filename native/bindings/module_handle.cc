#include "bindings/module_handle.h"

#include "bindings/operations.h"
#include "bindings/promise_worker.h"
#include "device/device_thread.h"
#include "device/failure.h"
#include "device/memory.h"
#include "model/loaded_module.h"

namespace clip_blip {
namespace {

constexpr napi_type_tag kModuleTag = {0x1c5f8e2b9a7d4036, 0xb2e47a90c6d1835f};

struct Handle {
  ModulePointer module;
  // What V8 was told about the weights, so that exactly this is taken back.
  int64_t told_bytes = 0;
};

Handle& HandleOf(const Napi::Value& value) {
  if (value.IsExternal()) {
    auto external = value.As<Napi::External<Handle>>();
    if (external.CheckTypeTag(&kModuleTag)) return *external.Data();
  }
  throw Failure(ErrorCode::kInvalidArgument,
                "module must be what buildModule or loadModule returned");
}

void TakeBackBytes(Napi::BasicEnv env, Handle& handle) {
  if (handle.told_bytes == 0) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, -handle.told_bytes);
  handle.told_bytes = 0;
}

}  // namespace

Napi::Value WrapModule(Napi::Env env, ModulePointer module) {
  auto handle = std::make_unique<Handle>();
  int64_t bytes = module->bytes();
  handle->module = std::move(module);
  auto external =
      Napi::External<Handle>::New(env, handle.get(), [](Napi::BasicEnv env, Handle* owned) {
        TakeBackBytes(env, *owned);
        delete owned;
      });
  Handle* owned = handle.release();  // by the external from here on
  external.TypeTag(&kModuleTag);
  // Lets the garbage collector see that a small object holds much, and collect forgotten handles.
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  owned->told_bytes = bytes;
  return external;
}

ModulePointer UnwrapModule(const Napi::Value& value) {
  Handle& handle = HandleOf(value);
  if (!handle.module) throw Failure(ErrorCode::kUnloaded, "The module has been unloaded");
  return handle.module;
}

Napi::Value UnloadModule(const Napi::CallbackInfo& info) {
  Handle& handle = HandleOf(info[0]);
  ModulePointer module = std::move(handle.module);
  TakeBackBytes(info.Env(), handle);
  // Only this thread makes further owners, so a module that has one now is gone for everybody.
  if (module && module.use_count() == 1) module->LeaveCount();
  // In the pool: to unmap a gigabyte takes 100 ms.
  return RunInPool(info.Env(), [module = std::move(module)]() mutable {
    if (!module) return;
    c10::Device device = module->device();
    module.reset();
    if (device.is_cpu()) return;
    RunOnDeviceThread(device, [device] { Attempt([device] { ReleaseWorkspaces(device); }); });
  });
}

Napi::Value ModuleBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(UnwrapModule(info[0])->bytes()));
}

Napi::Value LiveModules(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(LoadedModule::LiveCount()));
}

Napi::Value LiveJobs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(live_workers.load()));
}

}  // namespace clip_blip
