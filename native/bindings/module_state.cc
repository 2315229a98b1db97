#include "../core/loaded_module.h"
#include "../promise_worker.h"
#include "module_handle.h"
#include "operations.h"

namespace clip_blip {

Napi::Value UnloadModule(const Napi::CallbackInfo& info) {
  return ReleaseModule(info[0]);
}

Napi::Value ModuleBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(UnwrapModule(info[0])->bytes()));
}

Napi::Value LiveModules(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(LoadedModule::LiveCount()));
}

Napi::Value LiveJobs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(PromiseWorker::LiveCount()));
}

}  // namespace clip_blip
