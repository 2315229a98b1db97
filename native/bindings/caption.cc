#include "../core/caption.h"

#include <utility>

#include "convert.h"
#include "generation.h"
#include "module_handle.h"
#include "operations.h"

namespace clip_blip {
namespace {

class CaptionWorker final : public GenerationWorker {
 public:
  CaptionWorker(Napi::Env env, ModulePointer module, ByteArrays arrays, PixelBatch batch,
                std::vector<Prompt> prompts, GenerationOptions generation, RunOptions options)
      : GenerationWorker(env),
        module_(std::move(module)),
        arrays_(std::move(arrays)),
        batch_(std::move(batch)),
        prompts_(std::move(prompts)),
        generation_(std::move(generation)),
        options_(options) {}

 private:
  void Work() override {
    ModulePointer module = std::move(module_);
    result_ = Caption(*module, batch_, prompts_, generation_, options_);
  }

  ModulePointer module_;
  ByteArrays arrays_;
  PixelBatch batch_;
  std::vector<Prompt> prompts_;
  GenerationOptions generation_;
  RunOptions options_;
};

}  // namespace

Napi::Value CaptionAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  ByteArrays arrays;
  PixelBatch batch = ToPixelBatch(info[1], arrays);
  std::vector<Prompt> prompts = ToPrompts(info[2], batch.pixels.size());
  GenerationOptions generation = ToGeneration(info[3]);
  RunOptions options = ToRunOptions(info[4]);
  return PromiseWorker::Start<CaptionWorker>(info.Env(), std::move(module), std::move(arrays),
                                             std::move(batch), std::move(prompts),
                                             std::move(generation), options);
}

}  // namespace clip_blip
