#include <torch/csrc/jit/ir/constants.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/plan/linear_add.h"
#include "model/plan/passes.h"
#include "model/plan/plan_nodes.h"

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

bool IsConstantLinear(const Node* node) {
  if (node->kind() != c10::aten::linear || !ConstantTensor(node->input(1))) return false;
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
    if (other != x || next == nullptr || !IsConstantLinear(next)) continue;
    if (next->input(0) != product->output()) continue;
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

/// Whether nothing between two nodes of a block writes into a tensor, as far as can be seen.
bool WritesNothingBetween(Node* first, const Node* last) {
  if (first->owningBlock() != last->owningBlock()) return false;
  for (Node* node = first->next(); node != last; node = node->next()) {
    const c10::FunctionSchema* schema = node->maybeSchema();
    bool reads = schema != nullptr ? !schema->is_mutable() : node->kind().is_prim();
    if (!reads || !node->blocks().empty()) return false;
  }
  return true;
}

/// The sum that takes the output of a linear layer and nothing else does: node and other summand,
/// null where there is none.
struct Sum {
  Node* node = nullptr;
  Value* other = nullptr;
};

Sum MatchSum(Node* linear) {
  Node* user = OnlyUser(linear->output());
  if (user == nullptr || user->kind() != c10::aten::add || user->inputs().size() != 3) {
    return {};
  }
  // The layer moves to the sum, and must read there what it would have read.
  if (!WritesNothingBetween(linear, user)) return {};
  auto factor = ConstantNumber(user->input(2));
  Value* other = user->input(0) == linear->output() ? user->input(1) : user->input(0);
  if (!factor || *factor != 1 || !other->type()->isSubtypeOf(*c10::TensorType::get())) {
    return {};
  }
  return {user, other};
}

/// Weights that a factor was put into, side by side: many blocks of their size would leave gaps
/// between them that the device's allocator cannot give back.
class ScaledWeights {
 public:
  void Reserve(const at::Tensor& weight) { numbers_ += weight.numel(); }

  /// `weight * scale`, rounded once.
  at::Tensor Put(const at::Tensor& weight, double scale) {
    if (!room_.defined()) room_ = at::empty({numbers_}, weight.options());
    at::Tensor target = room_.narrow(0, used_, weight.numel()).view(weight.sizes());
    used_ += weight.numel();
    return target.copy_(weight).mul_(scale);
  }

 private:
  int64_t numbers_ = 0, used_ = 0;
  at::Tensor room_;
};

/// A linear layer with what follows it; `input_scale` undoes what the layer before was scaled by.
struct Layer {
  Node* linear;
  Activation activation;
  double input_scale = 1;

  double scale() const { return activation.scale / input_scale; }
  at::Tensor weight() const { return *ConstantTensor(linear->input(1)); }
  bool packs() const { return PackedWeights::Supports(weight()); }
};

void Fuse(const Layer& layer, PackedWeights& packed, ScaledWeights& scaled) {
  Node* linear = layer.linear;
  const Activation& activation = layer.activation;
  torch::jit::Graph& graph = *linear->owningGraph();
  torch::jit::WithInsertPoint at(linear);
  Node* replaced = activation.end == nullptr ? linear : activation.end;
  Value* bias = linear->input(2);
  if (activation.scale != 1 && !bias->mustBeNone()) {
    bias = graph.insertConstant(Scaled(*ConstantTensor(bias), activation.scale));
  }
  Sum sum = activation.name == "none" ? MatchSum(linear) : Sum();
  // Where the sum is: the other summand may come after the layer.
  torch::jit::WithInsertPoint at_sum(sum.node == nullptr ? linear : sum.node);
  Value* weight = nullptr;
  if (!layer.packs()) {
    // Of QuickGELU's three kernels one is left, and none of a sum; everything else stays as it is.
    bool one_product = sum.node != nullptr && layer.weight().is_cuda();
    if (layer.scale() == 1 && !one_product) return;
    weight = layer.scale() == 1 ? linear->input(1)
                                : graph.insertConstant(scaled.Put(layer.weight(), layer.scale()));
    if (!one_product) {
      Value* product = InsertTensorNode(graph, "aten::linear", {linear->input(0), weight, bias});
      if (activation.scale != 1) product = InsertTensorNode(graph, "aten::silu_", {product});
      replaced->output()->replaceAllUsesWith(product);
      return;
    }
  } else {
    at::Tensor packed_weight = packed.Pack(layer.weight(), layer.scale());
    if (sum.node == nullptr) {
      replaced->output()->replaceAllUsesWith(InsertLinear(
          graph, linear->input(0), packed_weight, bias, activation.name, activation.algorithm));
      return;
    }
    weight = InsertPackedWeight(graph, packed_weight);
  }
  sum.node->output()->replaceAllUsesWith(
      InsertLinearAdd(graph, linear->input(0), sum.other, weight, bias));
}

void CollectLinears(torch::jit::Block* block, std::vector<Node*>& linears) {
  for (Node* node : block->nodes()) {
    for (torch::jit::Block* inner : node->blocks()) CollectLinears(inner, linears);
    if (IsConstantLinear(node)) linears.push_back(node);
  }
}

}  // namespace

void PackLinears(torch::jit::Graph& graph, PackedWeights& packed) {
  std::vector<Node*> linears;
  CollectLinears(graph.block(), linears);
  std::vector<Layer> layers;
  std::map<const Node*, double> input_scales;
  ScaledWeights scaled;
  for (Node* linear : linears) {
    Layer layer{linear, MatchActivation(linear)};
    auto input_scale = input_scales.find(linear);
    if (input_scale != input_scales.end()) layer.input_scale = input_scale->second;
    if (layer.activation.scale != 1) {
      input_scales[OnlyUser(layer.activation.end->output())] = layer.activation.scale;
    }
    if (!layer.packs() && layer.scale() != 1) scaled.Reserve(layer.weight());
    layers.push_back(layer);
  }
  for (const Layer& layer : layers) Fuse(layer, packed, scaled);
}

}  // namespace clip_blip
