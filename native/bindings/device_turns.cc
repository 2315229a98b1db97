#include "device/device_turns.h"

#include <list>

#include "bindings/convert.h"
#include "bindings/operations.h"

namespace clip_blip {
namespace {

/// One JavaScript thread's side of the turns: brings the word that a turn has come onto that
/// thread.
class ThreadTurns {
 public:
  explicit ThreadTurns(Napi::Env env)
      : wake_(Wake::New(env, "clip-blip turn", /*maxQueueSize=*/0, /*initialThreadCount=*/1)) {
    // Nobody waits yet: the thread may end.
    wake_.Unref(env);
    env.AddCleanupHook(
        [](ThreadTurns* turns) {
          // First out of the line, so that nobody calls a function that is being released.
          DeviceTurns::Instance().Leave(turns);
          turns->wake_.Release();
        },
        this);
  }

  static ThreadTurns& Of(Napi::Env env) {
    auto* turns = env.GetInstanceData<ThreadTurns>();
    if (turns == nullptr) {
      turns = new ThreadTurns(env);
      env.SetInstanceData(turns);
    }
    return *turns;
  }

  Napi::Promise Acquire(Napi::Env env, const std::string& device) {
    // Whoever waits for a turn keeps its thread alive, also where another thread has the device.
    if (waiting_.empty()) wake_.Ref(env);
    Napi::Promise::Deferred* waiter = &waiting_.emplace_back(env);
    Napi::Promise promise = waiter->Promise();
    DeviceTurns::Instance().Acquire(device, this,
                                    [this, waiter] { wake_.NonBlockingCall(waiter); });
    return promise;
  }

 private:
  static void OnTurn(Napi::Env env, Napi::Function, ThreadTurns*, Napi::Promise::Deferred* waiter);
  using Wake = Napi::TypedThreadSafeFunction<ThreadTurns, Napi::Promise::Deferred, OnTurn>;

  Wake wake_;
  // Kept here, not by the line: a thread that ends takes those with it whose turn never comes.
  std::list<Napi::Promise::Deferred> waiting_;
};

void ThreadTurns::OnTurn(Napi::Env env, Napi::Function, ThreadTurns*,
                         Napi::Promise::Deferred* waiter) {
  // Without an environment the thread is ending, and nobody is left to be told.
  if (env == nullptr) return;
  ThreadTurns& turns = Of(env);
  Napi::Promise::Deferred deferred = *waiter;
  turns.waiting_.remove_if([waiter](const auto& other) { return &other == waiter; });
  if (turns.waiting_.empty()) turns.wake_.Unref(env);
  deferred.Resolve(env.Undefined());
}

}  // namespace

Napi::Value TryAcquireDevice(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string device = ToString(info[0], "device");
  return Napi::Boolean::New(env, DeviceTurns::Instance().TryAcquire(device, &ThreadTurns::Of(env)));
}

Napi::Value AcquireDevice(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return ThreadTurns::Of(env).Acquire(env, ToString(info[0], "device"));
}

Napi::Value ReleaseDevice(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  DeviceTurns::Instance().Release(ToString(info[0], "device"), &ThreadTurns::Of(env));
  return env.Undefined();
}

Napi::Value WaitingForDevice(const Napi::CallbackInfo& info) {
  size_t waiting = DeviceTurns::Instance().Waiting(ToString(info[0], "device"));
  return Napi::Number::New(info.Env(), static_cast<double>(waiting));
}

Napi::Value MarkDeviceLost(const Napi::CallbackInfo& info) {
  DeviceTurns::Instance().MarkLost(ToString(info[0], "device"), ToString(info[1], "reason"));
  return info.Env().Undefined();
}

Napi::Value LostReason(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto reason = DeviceTurns::Instance().LostReason(ToString(info[0], "device"));
  if (!reason) return env.Undefined();
  return Napi::String::New(env, *reason);
}

}  // namespace clip_blip
