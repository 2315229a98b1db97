#pragma once

#include "napi_setup.h"

namespace clip_blip {

/// Puts the addon's functions into its exports.
Napi::Object InitializeAddon(Napi::Env env, Napi::Object exports);

}  // namespace clip_blip
