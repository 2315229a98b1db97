// The addon that Node finds. It does not depend on LibTorch: it opens LibTorch's libraries by their
// full paths, so that clip_blip_torch.so, which names them without a path, finds them in the
// process.

#include <dlfcn.h>

#include <string>

#include "napi_setup.h"

namespace {

Napi::Value OpenLibraries(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsArray()) throw Napi::TypeError::New(env, "paths must be an array");
  auto paths = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < paths.Length(); ++i) {
    Napi::Value path = paths.Get(i);
    if (!path.IsString()) throw Napi::TypeError::New(env, "paths must hold strings");
    // Global: LibTorch's libraries and the addon see each other's symbols. Never closed again:
    // LibTorch keeps threads and static objects.
    std::string text = path.As<Napi::String>().Utf8Value();
    if (dlopen(text.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) == nullptr) {
      const char* problem = dlerror();
      throw Napi::Error::New(env, problem != nullptr ? problem : "cannot open " + text);
    }
  }
  return env.Undefined();
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("builtForTorch", CLIP_BLIP_TORCH_VERSION);
  exports.Set("openLibraries", Napi::Function::New<OpenLibraries>(env, "openLibraries"));
  return exports;
}

}  // namespace

NODE_API_MODULE(clip_blip, Initialize)
