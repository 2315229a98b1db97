#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "bindings/errors.h"
#include "device/failure.h"
#include "napi_setup.h"

namespace clip_blip {

/// Workers of this process that are queued, at work or not yet deleted.
inline std::atomic<int64_t> live_workers{0};

/// One operation on libuv's thread pool, behind a promise; see RunInPool.
template <typename Work, typename ToValue>
class PromiseWorker final : public Napi::AsyncWorker {
 public:
  PromiseWorker(Napi::Env env, Work work, ToValue to_value)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        to_value_(std::move(to_value)) {
    ++live_workers;
  }
  ~PromiseWorker() override { --live_workers; }

  Napi::Promise Promise() const { return deferred_.Promise(); }

 private:
  // node-addon-api catches std::exception only, and takes a failure with an empty text for success.
  void Execute() override {
    failure_ = Attempt([this] { result_.emplace(work_()); });
    if (failure_) SetError(failure_->message());
  }

  void OnOK() override {
    Napi::Env env = Env();
    Napi::HandleScope scope(env);
    try {
      deferred_.Resolve(to_value_(env, std::move(*result_)));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  void OnError(const Napi::Error& error) override {
    Napi::HandleScope scope(Env());
    deferred_.Reject(failure_ ? ToError(Env(), *failure_).Value() : error.Value());
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  ToValue to_value_;
  std::optional<std::invoke_result_t<Work&>> result_;
  std::optional<Failure> failure_;
};

/// Runs `work` on a thread of libuv's pool, where it must not touch JavaScript, and returns a
/// promise of `to_value(env, result)`, which is made on JavaScript's thread. What `work` holds is
/// destroyed there, too: a module that is to go on the pool thread is moved into a variable of the
/// work.
template <typename Work, typename ToValue>
Napi::Value RunInPool(Napi::Env env, Work work, ToValue to_value) {
  auto* worker = new PromiseWorker<Work, ToValue>(env, std::move(work), std::move(to_value));
  Napi::Promise promise = worker->Promise();
  worker->Queue();  // which deletes itself when it is done
  return promise;
}

/// The same for work without a result: a promise of undefined.
template <typename Work>
Napi::Value RunInPool(Napi::Env env, Work work) {
  auto without_result = [work = std::move(work)]() mutable {
    work();
    return nullptr;
  };
  return RunInPool(env, std::move(without_result),
                   [](Napi::Env env, std::nullptr_t) { return env.Undefined(); });
}

}  // namespace clip_blip
