#include "bindings/errors.h"

namespace clip_blip {

Napi::Error ToError(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message());
  error.Value().Set("code", Napi::String::New(env, CodeName(failure.code())));
  return error;
}

}  // namespace clip_blip
