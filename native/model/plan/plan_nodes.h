#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

#include <mutex>
#include <optional>
#include <string>

namespace clip_blip {

// What the passes of this folder put into graphs.

/// The value as a tensor, where it is a constant one.
std::optional<at::Tensor> ConstantTensor(const torch::jit::Value* value);

/// Makes an operator known to the interpreter, which finds it by its name. Another copy of the
/// addon in this process may have been first.
void RegisterOperator(const char* schema, torch::jit::Operation operation);

/// A node with one tensor as its output, at the insert point.
torch::jit::Value* InsertTensorNode(torch::jit::Graph& graph, const char* name,
                                    at::ArrayRef<torch::jit::Value*> inputs);

/// A packed weight as a constant, at the insert point.
torch::jit::Value* InsertPackedWeight(torch::jit::Graph& graph, const at::Tensor& packed);

/// oneDNN's linear layer with packed weights, `activation` and `algorithm` in its own words.
torch::jit::Value* InsertLinear(torch::jit::Graph& graph, torch::jit::Value* input,
                                const at::Tensor& packed_weight, torch::jit::Value* bias,
                                const std::string& activation, const std::string& algorithm);

}  // namespace clip_blip
