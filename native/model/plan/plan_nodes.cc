#include "model/plan/plan_nodes.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <utility>

namespace clip_blip {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

std::optional<at::Tensor> ConstantTensor(const Value* value) {
  auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isTensor() || !constant->toTensor().defined()) return std::nullopt;
  return constant->toTensor();
}

void RegisterOperator(const char* schema, torch::jit::Operation operation) {
  torch::jit::Operator made(schema, std::move(operation), c10::AliasAnalysisKind::FROM_SCHEMA);
  auto name = c10::Symbol::fromQualString(made.schema().name());
  if (torch::jit::getAllOperatorsFor(name).empty()) torch::jit::registerOperator(std::move(made));
}

Value* InsertTensorNode(Graph& graph, const char* name, at::ArrayRef<Value*> inputs) {
  Node* node = graph.insertNode(graph.create(c10::Symbol::fromQualString(name), inputs));
  node->output()->setType(c10::TensorType::get());
  return node->output();
}

Value* InsertPackedWeight(Graph& graph, const at::Tensor& packed) {
  // A node of its own kind: a packed tensor has no bytes that a usual constant could hold.
  Node* weight = graph.insertNode(graph.create(c10::prim::ConstantMKLDNNTensor));
  weight->t_(c10::attr::value, packed);
  weight->output()->setType(c10::TensorType::get());
  return weight->output();
}

Value* InsertLinear(Graph& graph, Value* input, const at::Tensor& packed_weight, Value* bias,
                    const std::string& activation, const std::string& algorithm) {
  Value* weight = InsertPackedWeight(graph, packed_weight);
  Node* scalars =
      graph.insertNode(graph.createList(c10::OptionalType::create(c10::NumberType::get()), {}));
  return InsertTensorNode(graph, "mkldnn::_linear_pointwise",
                          {input, weight, bias, graph.insertConstant(activation), scalars->output(),
                           graph.insertConstant(algorithm)});
}

}  // namespace clip_blip
