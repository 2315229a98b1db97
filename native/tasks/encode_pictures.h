#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "image/pixel_batch.h"
#include "model/loaded_module.h"

namespace clip_blip {

/// Runs encode_image on the pictures, normalised and in the module's dtype, and `finish` on what it
/// gives; both from a recorded graph where that pays. `finish` may outlive the call; `name` tells
/// it from others.
at::Tensor EncodePictures(const LoadedModule& module, const PixelBatch& batch,
                          const std::string& name = "encode_image",
                          const std::function<at::Tensor(const at::Tensor&)>& finish = {});

}  // namespace clip_blip
