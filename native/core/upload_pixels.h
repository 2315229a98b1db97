#pragma once

#include <ATen/core/Tensor.h>

#include "types.h"

namespace clip_blip {

/// Brings the bytes of all pictures to `uploaded` [B, H, W, 3] on an accelerator, in the order of
/// its current stream, without waiting for it.
void UploadPixels(const PixelBatch& batch, const at::Tensor& uploaded);

}  // namespace clip_blip
