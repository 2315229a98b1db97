#pragma once

#include <cstdint>
#include <vector>

#include "../core/types.h"
#include "../promise_worker.h"

namespace clip_blip {

// What captions and answers have in common.

GenerationOptions ToGeneration(const Napi::Value& value);

/// One for each of `count` pictures or questions.
std::vector<Prompt> ToPrompts(const Napi::Value& value, size_t count);

/// A worker whose result is a GenerationResult.
class GenerationWorker : public PromiseWorker {
 protected:
  using PromiseWorker::PromiseWorker;

  GenerationResult result_;

 private:
  Napi::Value Result(Napi::Env env) final;
};

}  // namespace clip_blip
