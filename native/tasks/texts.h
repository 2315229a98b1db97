#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "tasks/tasks.h"

namespace clip_blip {

/// Throws INVALID_ARGUMENT for an id outside of the vocabulary (the module's int `vocab_size`,
/// where it has one). On a GPU such an id would be a fault that no later call of the process
/// survives.
void CheckTokenIds(const LoadedModule& module, const std::vector<int32_t>& ids);

/// Fills an int64 tensor of as many elements.
void FillTokenIds(const at::Tensor& target, const std::vector<int32_t>& ids);

/// The ids on the module's device, as int64.
at::Tensor UploadTokenIds(const LoadedModule& module, const std::vector<int32_t>& ids,
                          at::IntArrayRef shape);

/// Texts of different lengths as one batch.
struct TextBatch {
  at::Tensor ids;   // [texts, length], filled up with zeros
  at::Tensor mask;  // what is no filling, [texts, length]
};

/// The texts on the module's device; each has a token at least.
TextBatch UploadTexts(const LoadedModule& module, const std::vector<std::vector<int32_t>>& texts);

/// Throws INVALID_ARGUMENT for a text without tokens or with unknown ones, and for a picture that
/// is not among `pictures`.
void CheckTexts(const LoadedModule& module, const TextsAboutPictures& about, size_t pictures);

/// Appends what the memory of a call depends on: how many texts, and their longest.
void AddShape(const TextsAboutPictures& about, std::vector<int64_t>& shape);

/// The picture of each text on the module's device, [texts].
at::Tensor UploadPictureIndices(const LoadedModule& module, const std::vector<int32_t>& picture);

}  // namespace clip_blip
