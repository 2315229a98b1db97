#include "texts_about_pictures.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "failure.h"
#include "token_ids.h"

namespace clip_blip {

void CheckTexts(const LoadedModule& module, const TextsAboutPictures& about, size_t pictures) {
  if (about.texts.empty()) throw Failure(ErrorCode::kInvalidArgument, "There is no text");
  if (about.picture.size() != about.texts.size()) {
    throw Failure(ErrorCode::kInvalidArgument, "Each text must have a picture");
  }
  for (const std::vector<int32_t>& text : about.texts) {
    if (text.empty()) throw Failure(ErrorCode::kInvalidArgument, "A text has no token");
    CheckTokenIds(module, text);
  }
  for (int32_t picture : about.picture) {
    if (picture < 0 || static_cast<size_t>(picture) >= pictures) {
      throw Failure(ErrorCode::kInvalidArgument,
                    "There is no picture " + std::to_string(picture) + " in the batch");
    }
  }
}

void AddShape(const TextsAboutPictures& about, std::vector<int64_t>& shape) {
  size_t longest = 0;
  for (const std::vector<int32_t>& text : about.texts) longest = std::max(longest, text.size());
  shape.push_back(static_cast<int64_t>(about.texts.size()));
  shape.push_back(static_cast<int64_t>(longest));
}

at::Tensor UploadPictureIndices(const LoadedModule& module, const std::vector<int32_t>& picture) {
  return UploadTokenIds(module, picture, {static_cast<int64_t>(picture.size())});
}

}  // namespace clip_blip
