#pragma once

#include "device/failure.h"
#include "napi_setup.h"

namespace clip_blip {

/// A NativeError of lib/native/types.ts.
Napi::Error ToError(Napi::Env env, const Failure& failure);

/// What a function of the addon does, with every exception turned into a NativeError that
/// JavaScript can catch.
template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
Napi::Value Throwing(const Napi::CallbackInfo& info) {
  try {
    return Function(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw ToError(info.Env(), CurrentFailure());
  }
}

/// The same for functions that return a promise: it rejects, also for what is wrong with the
/// arguments.
template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
Napi::Value Rejecting(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Error error;
  try {
    return Function(info);
  } catch (const Napi::Error& thrown) {
    error = thrown;
  } catch (...) {
    error = ToError(env, CurrentFailure());
  }
  auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(error.Value());
  return deferred.Promise();
}

}  // namespace clip_blip
