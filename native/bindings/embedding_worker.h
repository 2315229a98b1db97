#pragma once

#include "../core/types.h"
#include "../promise_worker.h"
#include "convert.h"

namespace clip_blip {

/// A worker whose result is an EmbeddingResult.
class EmbeddingWorker : public PromiseWorker {
 protected:
  using PromiseWorker::PromiseWorker;

  EmbeddingResult result_;

 private:
  Napi::Value Result(Napi::Env env) final {
    Napi::Object result = Napi::Object::New(env);
    result.Set("data", CopyToArray<Napi::Float32Array>(env, result_.data));
    result.Set("dimension", static_cast<double>(result_.dimension));
    result.Set("peakBytes", static_cast<double>(result_.peak_bytes));
    return result;
  }
};

}  // namespace clip_blip
