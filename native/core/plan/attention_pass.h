#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace clip_blip {

/// Replaces LibTorch's attention, where it has no mask, by `Attend`, which is faster on the CPU and
/// the same elsewhere.
void ReplaceAttention(torch::jit::Graph& graph);

}  // namespace clip_blip
