#include "tasks/texts.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "device/failure.h"
#include "device/transfer.h"
#include "model/loaded_module.h"

namespace clip_blip {

void CheckTokenIds(const LoadedModule& module, const std::vector<int32_t>& ids) {
  int64_t vocabulary = module.FindInt("vocab_size").value_or(std::numeric_limits<int32_t>::max());
  for (int32_t id : ids) {
    if (id < 0 || id >= vocabulary) {
      throw Failure(ErrorCode::kInvalidArgument, "Token id " + std::to_string(id) +
                                                     " is not in the vocabulary of " +
                                                     std::to_string(vocabulary) + " tokens");
    }
  }
}

void FillTokenIds(const at::Tensor& target, const std::vector<int32_t>& ids) {
  Fill(target, at::from_blob(const_cast<int32_t*>(ids.data()), target.sizes(),
                             at::TensorOptions().dtype(at::kInt)));
}

at::Tensor UploadTokenIds(const LoadedModule& module, const std::vector<int32_t>& ids,
                          at::IntArrayRef shape) {
  at::Tensor target =
      at::empty(shape, at::TensorOptions().dtype(at::kLong).device(module.device()));
  FillTokenIds(target, ids);
  return target;
}

TextBatch UploadTexts(const LoadedModule& module, const std::vector<std::vector<int32_t>>& texts) {
  size_t length = 0;
  for (const std::vector<int32_t>& text : texts) length = std::max(length, text.size());
  at::Tensor mask = at::zeros({static_cast<int64_t>(texts.size()), static_cast<int64_t>(length)},
                              at::TensorOptions().dtype(at::kBool));
  std::vector<int32_t> ids(texts.size() * length, 0);
  for (size_t row = 0; row < texts.size(); ++row) {
    std::copy(texts[row].begin(), texts[row].end(), ids.data() + row * length);
    mask.select(0, static_cast<int64_t>(row))
        .narrow(0, 0, static_cast<int64_t>(texts[row].size()))
        .fill_(true);
  }
  return {UploadTokenIds(module, ids, mask.sizes()), Upload(mask, module.device())};
}

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
