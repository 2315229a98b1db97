#include "../core/match.h"

#include <utility>

#include "../promise_worker.h"
#include "convert.h"
#include "module_handle.h"
#include "operations.h"
#include "texts_about_pictures.h"

namespace clip_blip {
namespace {

class MatchWorker final : public PromiseWorker {
 public:
  MatchWorker(Napi::Env env, ModulePointer module, ByteArrays arrays, PixelBatch batch,
              TextsAboutPictures about, RunOptions options)
      : PromiseWorker(env),
        module_(std::move(module)),
        arrays_(std::move(arrays)),
        batch_(std::move(batch)),
        about_(std::move(about)),
        options_(options) {}

 private:
  void Work() override {
    ModulePointer module = std::move(module_);
    result_ = Match(*module, batch_, about_, options_);
  }

  Napi::Value Result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result.Set("probabilities", CopyToArray<Napi::Float32Array>(env, result_.probabilities));
    result.Set("similarities", CopyToArray<Napi::Float32Array>(env, result_.similarities));
    result.Set("peakBytes", static_cast<double>(result_.peak_bytes));
    return result;
  }

  ModulePointer module_;
  ByteArrays arrays_;
  PixelBatch batch_;
  TextsAboutPictures about_;
  RunOptions options_;
  MatchResult result_;
};

}  // namespace

Napi::Value MatchAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  ByteArrays arrays;
  PixelBatch batch = ToPixelBatch(info[1], arrays);
  TextsAboutPictures about = ToTextsAboutPictures(info[2]);
  RunOptions options = ToRunOptions(info[3]);
  return PromiseWorker::Start<MatchWorker>(info.Env(), std::move(module), std::move(arrays),
                                           std::move(batch), std::move(about), options);
}

}  // namespace clip_blip
