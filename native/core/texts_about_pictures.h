#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "loaded_module.h"
#include "types.h"

namespace clip_blip {

/// Throws INVALID_ARGUMENT for a text without tokens or with unknown ones, and for a picture that
/// is not among `pictures`.
void CheckTexts(const LoadedModule& module, const TextsAboutPictures& about, size_t pictures);

/// Appends what the memory of a call depends on: how many texts, and their longest.
void AddShape(const TextsAboutPictures& about, std::vector<int64_t>& shape);

/// The picture of each text on the module's device, [texts].
at::Tensor UploadPictureIndices(const LoadedModule& module, const std::vector<int32_t>& picture);

}  // namespace clip_blip
