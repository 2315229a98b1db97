#pragma once

#include <memory>
#include <utility>

#include "napi_setup.h"

namespace clip_blip {

class LoadedModule;

using ModulePointer = std::shared_ptr<LoadedModule>;

/// A handle for JavaScript: an external with a type tag, so that no other external passes for it.
Napi::Value WrapModule(Napi::Env env, ModulePointer module);

/// The module of a handle. INVALID_ARGUMENT for any other value, UNLOADED after unloadModule.
ModulePointer UnwrapModule(const Napi::Value& value);

}  // namespace clip_blip
