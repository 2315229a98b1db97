#pragma once

#include <ATen/core/Tensor.h>

#include "types.h"

namespace clip_blip {

/// Who copies: a team of OpenMP, which every thread that asks for one keeps for itself, or the
/// calling thread.
enum class Threads { kAll, kThisOne };

/// Brings the bytes of all pictures to `uploaded` [B, H, W, 3] on an accelerator, in the order of
/// its current stream, without waiting for it.
void UploadPixels(const PixelBatch& batch, const at::Tensor& uploaded, Threads threads);

}  // namespace clip_blip
