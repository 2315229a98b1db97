#pragma once

#include <cstring>

#include "../core/types.h"
#include "../promise_worker.h"

namespace clip_blip {

/// A worker whose result is an EmbeddingResult.
class EmbeddingWorker : public PromiseWorker {
 protected:
  using PromiseWorker::PromiseWorker;

  EmbeddingResult result_;

 private:
  Napi::Value Result(Napi::Env env) final {
    Napi::Float32Array data = Napi::Float32Array::New(env, result_.data.size());
    std::memcpy(data.Data(), result_.data.data(), result_.data.size() * sizeof(float));
    Napi::Object result = Napi::Object::New(env);
    result.Set("data", data);
    result.Set("dimension", static_cast<double>(result_.dimension));
    result.Set("peakBytes", static_cast<double>(result_.peak_bytes));
    return result;
  }
};

}  // namespace clip_blip
