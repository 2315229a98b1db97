#include "bindings/task_values.h"

#include <limits>
#include <string>

#include "bindings/convert.h"

namespace clip_blip {
namespace {

constexpr int64_t kMaxToken = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxLength = 1 << 16;
constexpr int64_t kMaxTexts = 1 << 10;

EarlyStopping ToEarlyStopping(const Napi::Value& value) {
  if (value.IsBoolean()) {
    return value.As<Napi::Boolean>().Value() ? EarlyStopping::kYes : EarlyStopping::kNo;
  }
  if (!value.IsString() || value.As<Napi::String>().Utf8Value() != "never") {
    RefuseValue("generation.earlyStopping", "a boolean or \"never\"");
  }
  return EarlyStopping::kNever;
}

double ToPositive(const Napi::Value& value, const std::string& name) {
  double number = ToDouble(value, name);
  if (!(number > 0)) RefuseValue(name, "above 0");
  return number;
}

}  // namespace

GenerationSettings ToGeneration(const Napi::Value& value) {
  Napi::Object object = ToObject(value, "generation");
  auto integer = [&](const char* key, int64_t least, int64_t most) {
    return ToInt(object.Get(key), std::string("generation.") + key, least, most);
  };
  GenerationSettings generation;
  generation.end_token = integer("endTokenId", 0, kMaxToken);
  generation.pad_token = integer("padTokenId", 0, kMaxToken);
  generation.num_beams = integer("numBeams", 1, kMaxTexts);
  generation.num_return_sequences = integer("numReturnSequences", 1, kMaxTexts);
  generation.length_penalty = ToDouble(object.Get("lengthPenalty"), "generation.lengthPenalty");
  generation.early_stopping = ToEarlyStopping(object.Get("earlyStopping"));
  generation.repetition_penalty =
      ToPositive(object.Get("repetitionPenalty"), "generation.repetitionPenalty");
  generation.no_repeat_ngram_size = integer("noRepeatNgramSize", 0, kMaxLength);
  Napi::Array words = ToArray(object.Get("badWords"), "generation.badWords");
  for (uint32_t i = 0; i < words.Length(); ++i) {
    generation.bad_words.push_back(
        CopyInt32Array(words.Get(i), "generation.badWords[" + std::to_string(i) + "]"));
  }
  generation.do_sample = ToBool(object.Get("doSample"), "generation.doSample");
  generation.temperature = ToPositive(object.Get("temperature"), "generation.temperature");
  generation.top_k = integer("topK", 0, kMaxToken);
  generation.top_p = ToPositive(object.Get("topP"), "generation.topP");
  return generation;
}

std::vector<Prompt> ToPrompts(const Napi::Value& value, size_t count) {
  Napi::Array array = ToArray(value, "prompts");
  if (array.Length() != count) RefuseValue("prompts", "as many as there are pictures or questions");
  std::vector<Prompt> prompts;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    std::string name = "prompts[" + std::to_string(i) + "]";
    Napi::Object object = ToObject(array.Get(i), name);
    Prompt prompt;
    prompt.ids = CopyInt32Array(object.Get("ids"), name + ".ids");
    prompt.max_length = ToInt(object.Get("maxLength"), name + ".maxLength", 1, kMaxLength);
    prompt.min_length = ToInt(object.Get("minLength"), name + ".minLength", 0, kMaxLength);
    prompt.seed = static_cast<uint64_t>(
        ToInt(object.Get("seed"), name + ".seed", 0, std::numeric_limits<int64_t>::max()));
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

TextsAboutPictures ToTextsAboutPictures(const Napi::Value& value) {
  Napi::Object object = ToObject(value, "about");
  TextsAboutPictures about;
  Napi::Array texts = ToArray(object.Get("texts"), "about.texts");
  for (uint32_t i = 0; i < texts.Length(); ++i) {
    about.texts.push_back(CopyInt32Array(texts.Get(i), "about.texts[" + std::to_string(i) + "]"));
  }
  about.picture = CopyInt32Array(object.Get("picture"), "about.picture");
  return about;
}

Napi::Value ToValue(Napi::Env env, const EmbeddingResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("data", CopyToArray<Napi::Float32Array>(env, result.data));
  object.Set("dimension", static_cast<double>(result.dimension));
  object.Set("peakBytes", static_cast<double>(result.peak_bytes));
  return object;
}

Napi::Value ToValue(Napi::Env env, const GenerationResult& result) {
  Napi::Array sequences = Napi::Array::New(env, result.sequences.size());
  for (size_t i = 0; i < result.sequences.size(); ++i) {
    sequences.Set(static_cast<uint32_t>(i),
                  CopyToArray<Napi::Int32Array>(env, result.sequences[i]));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("sequences", sequences);
  object.Set("scores", CopyToArray<Napi::Float32Array>(env, result.scores));
  object.Set("peakBytes", static_cast<double>(result.peak_bytes));
  return object;
}

Napi::Value ToValue(Napi::Env env, const MatchResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("probabilities", CopyToArray<Napi::Float32Array>(env, result.probabilities));
  object.Set("similarities", CopyToArray<Napi::Float32Array>(env, result.similarities));
  object.Set("peakBytes", static_cast<double>(result.peak_bytes));
  return object;
}

}  // namespace clip_blip
