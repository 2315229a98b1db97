#include <map>
#include <utility>

#include "../core/archive.h"
#include "../promise_worker.h"
#include "convert.h"
#include "operations.h"

namespace clip_blip {
namespace {

class ReadExtraFilesWorker final : public PromiseWorker {
 public:
  ReadExtraFilesWorker(Napi::Env env, std::string path, std::vector<std::string> names)
      : PromiseWorker(env), path_(std::move(path)), names_(std::move(names)) {}

 private:
  void Work() override { files_ = ReadExtraFiles(path_, names_); }

  Napi::Value Result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    for (const auto& [name, text] : files_) result.Set(name, text);
    return result;
  }

  std::string path_;
  std::vector<std::string> names_;
  std::map<std::string, std::string> files_;
};

}  // namespace

Napi::Value ReadExtraFilesAsync(const Napi::CallbackInfo& info) {
  std::string path = ToString(info[0], "path");
  Napi::Array array = ToArray(info[1], "names");
  std::vector<std::string> names;
  for (uint32_t i = 0; i < array.Length(); ++i) names.push_back(ToString(array.Get(i), "names"));
  return PromiseWorker::Start<ReadExtraFilesWorker>(info.Env(), std::move(path), std::move(names));
}

}  // namespace clip_blip
