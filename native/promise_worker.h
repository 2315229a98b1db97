#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "bindings/errors.h"
#include "core/failure.h"
#include "napi_setup.h"

namespace clip_blip {

/// One operation on libuv's thread pool, behind a promise. A subclass converts its arguments in its
/// constructor, works in Work() without touching JavaScript, and makes the value in Result().
class PromiseWorker : public Napi::AsyncWorker {
 public:
  /// Starts a worker, which deletes itself when it is done, and returns its promise.
  template <typename Worker, typename... Args>
  static Napi::Value Start(Napi::Env env, Args&&... args) {
    auto* worker = new Worker(env, std::forward<Args>(args)...);
    Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }

  /// Workers of this process that are queued, at work or not yet deleted.
  static int64_t LiveCount() { return live_.load(); }

 protected:
  explicit PromiseWorker(Napi::Env env)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)) {
    ++live_;
  }
  ~PromiseWorker() override { --live_; }

  /// On a pool thread.
  virtual void Work() = 0;
  /// On the JavaScript thread, after Work().
  virtual Napi::Value Result(Napi::Env env) = 0;

 private:
  // node-addon-api catches std::exception only, and takes a failure with an empty text for success.
  void Execute() final {
    failure_ = Attempt([this] { Work(); });
    if (failure_) SetError(failure_->message());
  }

  void OnOK() final {
    Napi::Env env = Env();
    Napi::HandleScope scope(env);
    try {
      deferred_.Resolve(Result(env));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  void OnError(const Napi::Error& error) final {
    Napi::HandleScope scope(Env());
    deferred_.Reject(failure_ ? ToError(Env(), *failure_).Value() : error.Value());
  }

  Napi::Promise::Deferred deferred_;
  std::optional<Failure> failure_;

  inline static std::atomic<int64_t> live_{0};
};

}  // namespace clip_blip
