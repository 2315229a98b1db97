#pragma once

#include <cstddef>
#include <vector>

#include "napi_setup.h"
#include "tasks/tasks.h"

namespace clip_blip {

// What tasks take and give, as values of lib/native/types.ts.

GenerationSettings ToGeneration(const Napi::Value& value);

/// One for each of `count` pictures or questions.
std::vector<Prompt> ToPrompts(const Napi::Value& value, size_t count);

TextsAboutPictures ToTextsAboutPictures(const Napi::Value& value);

Napi::Value ToValue(Napi::Env env, const EmbeddingResult& result);
Napi::Value ToValue(Napi::Env env, const GenerationResult& result);
Napi::Value ToValue(Napi::Env env, const MatchResult& result);

}  // namespace clip_blip
