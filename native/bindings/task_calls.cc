#include <cstdint>
#include <utility>
#include <vector>

#include "bindings/convert.h"
#include "bindings/module_handle.h"
#include "bindings/operations.h"
#include "bindings/promise_worker.h"
#include "bindings/task_values.h"
#include "tasks/tasks.h"

namespace clip_blip {
namespace {

/// Runs `task(module)` in the pool.
template <typename Task>
Napi::Value RunTask(Napi::Env env, ModulePointer module, Task task) {
  auto work = [module = std::move(module), task = std::move(task)]() mutable {
    // Given up here, so that the weights of an unloaded module go on this thread.
    ModulePointer held = std::move(module);
    return task(*held);
  };
  return RunInPool(env, std::move(work),
                   [](Napi::Env env, const auto& result) { return ToValue(env, result); });
}

}  // namespace

Napi::Value EncodeImagesAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  ByteArrays arrays;
  PixelBatch batch = ToPixelBatch(info[1], arrays);
  bool l2_normalize = ToBool(info[2], "l2Normalize");
  RunOptions options = ToRunOptions(info[3]);
  return RunTask(info.Env(), std::move(module),
                 [arrays = std::move(arrays), batch = std::move(batch), l2_normalize,
                  options](const LoadedModule& module) {
                   return EncodeImages(module, batch, l2_normalize, options);
                 });
}

Napi::Value EncodeTextsAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  std::vector<int32_t> ids = CopyInt32Array(info[1], "ids");
  int64_t rows = ToInt(info[2], "rows", 1, int64_t{1} << 31);
  if (ids.empty() || static_cast<int64_t>(ids.size()) % rows != 0) {
    RefuseValue("ids", "a multiple of rows in length");
  }
  bool l2_normalize = ToBool(info[3], "l2Normalize");
  RunOptions options = ToRunOptions(info[4]);
  return RunTask(info.Env(), std::move(module),
                 [ids = std::move(ids), rows, l2_normalize, options](const LoadedModule& module) {
                   return EncodeTexts(module, ids, rows, l2_normalize, options);
                 });
}

Napi::Value CaptionAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  ByteArrays arrays;
  PixelBatch batch = ToPixelBatch(info[1], arrays);
  std::vector<Prompt> prompts = ToPrompts(info[2], batch.pixels.size());
  GenerationSettings generation = ToGeneration(info[3]);
  RunOptions options = ToRunOptions(info[4]);
  return RunTask(
      info.Env(), std::move(module),
      [arrays = std::move(arrays), batch = std::move(batch), prompts = std::move(prompts),
       generation = std::move(generation), options](const LoadedModule& module) {
        return Caption(module, batch, prompts, generation, options);
      });
}

Napi::Value AnswerAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  ByteArrays arrays;
  PixelBatch batch = ToPixelBatch(info[1], arrays);
  TextsAboutPictures questions = ToTextsAboutPictures(info[2]);
  std::vector<Prompt> prompts = ToPrompts(info[3], questions.texts.size());
  GenerationSettings generation = ToGeneration(info[4]);
  RunOptions options = ToRunOptions(info[5]);
  return RunTask(info.Env(), std::move(module),
                 [arrays = std::move(arrays), batch = std::move(batch),
                  questions = std::move(questions), prompts = std::move(prompts),
                  generation = std::move(generation), options](const LoadedModule& module) {
                   return Answer(module, batch, questions, prompts, generation, options);
                 });
}

Napi::Value MatchAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  ByteArrays arrays;
  PixelBatch batch = ToPixelBatch(info[1], arrays);
  TextsAboutPictures about = ToTextsAboutPictures(info[2]);
  RunOptions options = ToRunOptions(info[3]);
  return RunTask(
      info.Env(), std::move(module),
      [arrays = std::move(arrays), batch = std::move(batch), about = std::move(about),
       options](const LoadedModule& module) { return Match(module, batch, about, options); });
}

}  // namespace clip_blip
