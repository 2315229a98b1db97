#include "pack_linears.h"

#include <torch/csrc/jit/ir/constants.h>

#include <optional>
#include <string>
#include <vector>

#include "plan_nodes.h"

namespace clip_blip {
namespace {

using torch::jit::Node;
using torch::jit::Value;

/// What follows a linear layer, in the words of `mkldnn::_linear_pointwise`.
struct Activation {
  std::string name = "none";
  std::string algorithm;
  /// The layer is scaled by this, and the next one by its inverse.
  double scale = 1;
  /// The last node of the activation; its output is the fused layer's. None: the linear's own.
  Node* end = nullptr;
};

bool IsPackable(const Node* node) {
  if (node->kind() != c10::aten::linear) return false;
  auto weight = ConstantTensor(node->input(1));
  if (!weight || !PackedWeights::Supports(*weight)) return false;
  return node->input(2)->mustBeNone() || ConstantTensor(node->input(2));
}

Node* OnlyUser(const Value* value) {
  return value->uses().size() == 1 ? value->uses()[0].user : nullptr;
}

std::optional<double> ConstantNumber(const Value* value) {
  auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isScalar()) return std::nullopt;
  return constant->toScalar().toDouble();
}

/// `x * sigmoid(c * x)`, which OpenAI calls QuickGELU, is `silu(c * x) / c`: where the result goes
/// into another linear layer and nowhere else, both factors go into the weights.
std::optional<Activation> MatchQuickGelu(Node* linear) {
  Value* x = linear->output();
  if (x->uses().size() != 2) return std::nullopt;
  for (const torch::jit::Use& use : x->uses()) {
    Node* scaled = use.user;
    if (scaled->kind() != c10::aten::mul) continue;
    auto factor = ConstantNumber(scaled->input(1));
    if (!factor || *factor <= 0) continue;
    Node* sigmoid = OnlyUser(scaled->output());
    if (sigmoid == nullptr || sigmoid->kind() != c10::aten::sigmoid) continue;
    Node* product = OnlyUser(sigmoid->output());
    if (product == nullptr || product->kind() != c10::aten::mul) continue;
    Value* other = product->input(0) == sigmoid->output() ? product->input(1) : product->input(0);
    Node* next = OnlyUser(product->output());
    if (other != x || next == nullptr || !IsPackable(next) || next->input(0) != product->output()) {
      continue;
    }
    return Activation{"swish", "", *factor, product};
  }
  return std::nullopt;
}

Activation MatchActivation(Node* linear) {
  if (auto quick_gelu = MatchQuickGelu(linear)) return *quick_gelu;
  Node* user = OnlyUser(linear->output());
  if (user == nullptr) return {};
  switch (user->kind()) {
    case c10::aten::relu:
      return {"relu", "", 1, user};
    case c10::aten::silu:
      return {"swish", "", 1, user};
    case c10::aten::gelu: {
      auto approximate = torch::jit::toIValue(user->input(1));
      if (!approximate || !approximate->isString()) return {};
      return {"gelu", approximate->toStringRef(), 1, user};
    }
    default:
      return {};
  }
}

/// Replaces `linear`; `input_scale` undoes what the layer before was scaled by.
void Fuse(Node* linear, const Activation& activation, double input_scale, PackedWeights& packed) {
  torch::jit::Graph& graph = *linear->owningGraph();
  torch::jit::WithInsertPoint at(linear);
  at::Tensor weight = *ConstantTensor(linear->input(1));
  Value* bias = linear->input(2);
  if (activation.scale != 1 && !bias->mustBeNone()) {
    bias = graph.insertConstant(Scaled(*ConstantTensor(bias), activation.scale));
  }
  Value* fused =
      InsertLinear(graph, linear->input(0), packed.Pack(weight, activation.scale / input_scale),
                   bias, activation.name, activation.algorithm);
  Node* replaced = activation.end == nullptr ? linear : activation.end;
  replaced->output()->replaceAllUsesWith(fused);
}

void CollectPackable(torch::jit::Block* block, std::vector<Node*>& linears) {
  for (Node* node : block->nodes()) {
    for (torch::jit::Block* inner : node->blocks()) CollectPackable(inner, linears);
    if (IsPackable(node)) linears.push_back(node);
  }
}

}  // namespace

void PackLinears(torch::jit::Graph& graph, PackedWeights& packed) {
  std::vector<Node*> linears;
  CollectPackable(graph.block(), linears);
  std::map<const Value*, double> scaled;  // by the output of the layer that was scaled
  for (Node* linear : linears) {
    Activation activation = MatchActivation(linear);
    auto input = scaled.find(linear->input(0));
    double input_scale = input == scaled.end() ? 1 : input->second;
    Value* output = activation.end == nullptr ? nullptr : activation.end->output();
    Node* next = output != nullptr && activation.scale != 1 ? OnlyUser(output) : nullptr;
    Fuse(linear, activation, input_scale, packed);
    if (next != nullptr) scaled[next->input(0)] = activation.scale;
  }
}

}  // namespace clip_blip
