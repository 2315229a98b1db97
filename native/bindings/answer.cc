#include "../core/answer.h"

#include <utility>

#include "convert.h"
#include "generation.h"
#include "module_handle.h"
#include "operations.h"
#include "texts_about_pictures.h"

namespace clip_blip {
namespace {

class AnswerWorker final : public GenerationWorker {
 public:
  AnswerWorker(Napi::Env env, ModulePointer module, ByteArrays arrays, PixelBatch batch,
               TextsAboutPictures questions, std::vector<Prompt> prompts,
               GenerationOptions generation, RunOptions options)
      : GenerationWorker(env),
        module_(std::move(module)),
        arrays_(std::move(arrays)),
        batch_(std::move(batch)),
        questions_(std::move(questions)),
        prompts_(std::move(prompts)),
        generation_(std::move(generation)),
        options_(options) {}

 private:
  void Work() override {
    ModulePointer module = std::move(module_);
    result_ = Answer(*module, batch_, questions_, prompts_, generation_, options_);
  }

  ModulePointer module_;
  ByteArrays arrays_;
  PixelBatch batch_;
  TextsAboutPictures questions_;
  std::vector<Prompt> prompts_;
  GenerationOptions generation_;
  RunOptions options_;
};

}  // namespace

Napi::Value AnswerAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  ByteArrays arrays;
  PixelBatch batch = ToPixelBatch(info[1], arrays);
  TextsAboutPictures questions = ToTextsAboutPictures(info[2]);
  std::vector<Prompt> prompts = ToPrompts(info[3], questions.texts.size());
  GenerationOptions generation = ToGeneration(info[4]);
  RunOptions options = ToRunOptions(info[5]);
  return PromiseWorker::Start<AnswerWorker>(info.Env(), std::move(module), std::move(arrays),
                                            std::move(batch), std::move(questions),
                                            std::move(prompts), std::move(generation), options);
}

}  // namespace clip_blip
