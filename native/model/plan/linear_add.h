#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

namespace clip_blip {

/// A linear layer and what is added to its output, in one pass over it: the second half of every
/// block of a transformer. `weight` is packed for oneDNN, or lies on an accelerator. `other` may be
/// of any shape that can be added.
torch::jit::Value* InsertLinearAdd(torch::jit::Graph& graph, torch::jit::Value* input,
                                   torch::jit::Value* other, torch::jit::Value* weight,
                                   torch::jit::Value* bias);

}  // namespace clip_blip
