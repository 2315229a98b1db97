#include "model/archive.h"

#include <map>
#include <utility>

#include "bindings/convert.h"
#include "bindings/module_handle.h"
#include "bindings/operations.h"
#include "bindings/promise_worker.h"

namespace clip_blip {

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
  auto work = [module = std::move(module), path = std::move(path),
               extra_files = std::move(extra_files)]() mutable {
    // Given up here, so that the weights of an unloaded module go on this thread.
    ModulePointer held = std::move(module);
    SaveModule(*held, path, extra_files);
  };
  return RunInPool(info.Env(), std::move(work));
}

Napi::Value ReadExtraFilesAsync(const Napi::CallbackInfo& info) {
  std::string path = ToString(info[0], "path");
  Napi::Array array = ToArray(info[1], "names");
  std::vector<std::string> names;
  for (uint32_t i = 0; i < array.Length(); ++i) names.push_back(ToString(array.Get(i), "names"));
  auto work = [path = std::move(path), names = std::move(names)] {
    return ReadExtraFiles(path, names);
  };
  auto to_value = [](Napi::Env env, const std::map<std::string, std::string>& files) {
    Napi::Object result = Napi::Object::New(env);
    for (const auto& [name, text] : files) result.Set(name, text);
    return result;
  };
  return RunInPool(info.Env(), std::move(work), to_value);
}

Napi::Value LoadModuleAsync(const Napi::CallbackInfo& info) {
  auto work = [path = ToString(info[0], "path"), placement = ToPlacement(info[1])] {
    return LoadModule(path, placement);
  };
  return RunInPool(info.Env(), std::move(work), WrapModule);
}

}  // namespace clip_blip
