#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

namespace clip_blip {

/// oneDNN's linear layer with packed weights and what is added to its output, in one pass over it:
/// the second half of every block of a transformer. `other` may be of any shape that can be added.
torch::jit::Value* InsertLinearAdd(torch::jit::Graph& graph, torch::jit::Value* input,
                                   torch::jit::Value* other, const at::Tensor& packed_weight,
                                   torch::jit::Value* bias);

}  // namespace clip_blip
