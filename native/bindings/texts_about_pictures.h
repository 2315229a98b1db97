#pragma once

#include "../core/types.h"
#include "../napi_setup.h"

namespace clip_blip {

TextsAboutPictures ToTextsAboutPictures(const Napi::Value& value);

}  // namespace clip_blip
