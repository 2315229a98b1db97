#include "texts_about_pictures.h"

#include <string>

#include "convert.h"

namespace clip_blip {

TextsAboutPictures ToTextsAboutPictures(const Napi::Value& value) {
  Napi::Object object = ToObject(value, "about");
  TextsAboutPictures about;
  Napi::Array texts = ToArray(object.Get("texts"), "about.texts");
  for (uint32_t i = 0; i < texts.Length(); ++i) {
    about.texts.push_back(CopyInt32Array(texts.Get(i), "about.texts[" + std::to_string(i) + "]"));
  }
  about.picture = CopyInt32Array(object.Get("picture"), "about.picture");
  return about;
}

}  // namespace clip_blip
