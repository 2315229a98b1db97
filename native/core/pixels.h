#pragma once

#include <ATen/core/Tensor.h>

#include "loaded_module.h"
#include "types.h"

namespace clip_blip {

/// The pictures on the module's device as [B, 3, H, W], normalised, in the module's dtype.
at::Tensor UploadPixels(const LoadedModule& module, const PixelBatch& batch);

}  // namespace clip_blip
