#include <utility>

#include "../core/archive.h"
#include "../promise_worker.h"
#include "convert.h"
#include "module_handle.h"
#include "operations.h"

namespace clip_blip {
namespace {

class LoadWorker final : public PromiseWorker {
 public:
  LoadWorker(Napi::Env env, std::string path, Placement placement)
      : PromiseWorker(env), path_(std::move(path)), placement_(std::move(placement)) {}

 private:
  void Work() override { module_ = LoadModule(path_, placement_); }
  Napi::Value Result(Napi::Env env) override { return WrapModule(env, std::move(module_)); }

  std::string path_;
  Placement placement_;
  ModulePointer module_;
};

}  // namespace

Napi::Value LoadModuleAsync(const Napi::CallbackInfo& info) {
  return PromiseWorker::Start<LoadWorker>(info.Env(), ToString(info[0], "path"),
                                          ToPlacement(info[1]));
}

}  // namespace clip_blip
