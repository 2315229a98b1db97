#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "packed_weights.h"

namespace clip_blip {

/// Replaces a convolution whose windows lie side by side, as every vision transformer begins with,
/// by a matrix product over the windows: oneDNN's convolution of 32 x 32 pixels took twice as long,
/// cuDNN's on an H200 twenty times (2.1 ms for 256 pictures). With a `normalization` (see
/// ExecutionPlan), what is cut may be bytes, which are normalised as they are put into the windows.
void ReplacePatchConvolution(torch::jit::Graph& graph, PackedWeights& packed,
                             const at::Tensor& normalization);

/// Whether nothing but this reads a value, sizes apart.
bool OnlyCutIntoPatches(const torch::jit::Value* value);

}  // namespace clip_blip
