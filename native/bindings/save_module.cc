#include <map>
#include <utility>

#include "../core/archive.h"
#include "../promise_worker.h"
#include "convert.h"
#include "module_handle.h"
#include "operations.h"

namespace clip_blip {
namespace {

class SaveWorker final : public PromiseWorker {
 public:
  SaveWorker(Napi::Env env, ModulePointer module, std::string path,
             std::map<std::string, std::string> extra_files)
      : PromiseWorker(env),
        module_(std::move(module)),
        path_(std::move(path)),
        extra_files_(std::move(extra_files)) {}

 private:
  void Work() override {
    ModulePointer module = std::move(module_);
    SaveModule(*module, path_, extra_files_);
  }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  ModulePointer module_;
  std::string path_;
  std::map<std::string, std::string> extra_files_;
};

}  // namespace

Napi::Value SaveModuleAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  std::string path = ToString(info[1], "path");
  Napi::Object object = ToObject(info[2], "extraFiles");
  Napi::Array names = object.GetPropertyNames();
  std::map<std::string, std::string> extra_files;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    std::string name = ToString(names.Get(i), "extraFiles");
    extra_files[name] = ToString(object.Get(name), "extraFiles." + name);
  }
  return PromiseWorker::Start<SaveWorker>(info.Env(), std::move(module), std::move(path),
                                          std::move(extra_files));
}

}  // namespace clip_blip
