#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "packed_weights.h"

namespace clip_blip {

/// Replaces every linear layer with constant weights, and the activation or the sum behind it, by
/// oneDNN's fused one. Of what oneDNN cannot do, and of everything that is not on the CPU, only the
/// factors of QuickGELU are put into the weights.
void PackLinears(torch::jit::Graph& graph, PackedWeights& packed);

}  // namespace clip_blip
