#include <cstring>
#include <limits>
#include <utility>

#include "../core/generate.h"
#include "../promise_worker.h"
#include "convert.h"
#include "module_handle.h"
#include "operations.h"

namespace clip_blip {
namespace {

GenerationOptions ToGeneration(const Napi::Value& value) {
  constexpr int64_t kMaxToken = std::numeric_limits<int32_t>::max();
  constexpr int64_t kMaxLength = 1 << 16;
  Napi::Object object = ToObject(value, "generation");
  GenerationOptions generation;
  generation.max_length = ToInt(object.Get("maxLength"), "generation.maxLength", 1, kMaxLength);
  generation.min_length = ToInt(object.Get("minLength"), "generation.minLength", 0, kMaxLength);
  generation.end_token = ToInt(object.Get("endTokenId"), "generation.endTokenId", 0, kMaxToken);
  generation.pad_token = ToInt(object.Get("padTokenId"), "generation.padTokenId", 0, kMaxToken);
  return generation;
}

class CaptionWorker final : public PromiseWorker {
 public:
  CaptionWorker(Napi::Env env, ModulePointer module, ByteArrays arrays, PixelBatch batch,
                std::vector<std::vector<int32_t>> prompts, GenerationOptions generation,
                RunOptions options)
      : PromiseWorker(env),
        module_(std::move(module)),
        arrays_(std::move(arrays)),
        batch_(std::move(batch)),
        prompts_(std::move(prompts)),
        generation_(generation),
        options_(options) {}

 private:
  void Work() override {
    ModulePointer module = std::move(module_);
    result_ = Caption(*module, batch_, prompts_, generation_, options_);
  }

  Napi::Value Result(Napi::Env env) override {
    Napi::Array sequences = Napi::Array::New(env, result_.sequences.size());
    for (size_t i = 0; i < result_.sequences.size(); ++i) {
      const std::vector<int32_t>& tokens = result_.sequences[i];
      Napi::Int32Array sequence = Napi::Int32Array::New(env, tokens.size());
      std::memcpy(sequence.Data(), tokens.data(), tokens.size() * sizeof(int32_t));
      sequences.Set(static_cast<uint32_t>(i), sequence);
    }
    const std::vector<float>& sums = result_.log_probabilities;
    Napi::Float32Array log_probabilities = Napi::Float32Array::New(env, sums.size());
    std::memcpy(log_probabilities.Data(), sums.data(), sums.size() * sizeof(float));
    Napi::Object result = Napi::Object::New(env);
    result.Set("sequences", sequences);
    result.Set("logProbabilities", log_probabilities);
    result.Set("peakBytes", static_cast<double>(result_.peak_bytes));
    return result;
  }

  ModulePointer module_;
  ByteArrays arrays_;
  PixelBatch batch_;
  std::vector<std::vector<int32_t>> prompts_;
  GenerationOptions generation_;
  RunOptions options_;
  CaptionResult result_;
};

}  // namespace

Napi::Value CaptionAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  ByteArrays arrays;
  PixelBatch batch = ToPixelBatch(info[1], arrays);
  Napi::Array array = ToArray(info[2], "prompts");
  if (array.Length() != batch.pixels.size()) RefuseValue("prompts", "one for each picture");
  std::vector<std::vector<int32_t>> prompts;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    prompts.push_back(CopyInt32Array(array.Get(i), "prompts[" + std::to_string(i) + "]"));
  }
  GenerationOptions generation = ToGeneration(info[3]);
  RunOptions options = ToRunOptions(info[4]);
  return PromiseWorker::Start<CaptionWorker>(info.Env(), std::move(module), std::move(arrays),
                                             std::move(batch), std::move(prompts), generation,
                                             options);
}

}  // namespace clip_blip
