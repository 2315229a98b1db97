#include <torch/csrc/jit/ir/constants.h>

#include <mutex>

#include "model/plan/attention.h"
#include "model/plan/passes.h"
#include "model/plan/plan_nodes.h"

namespace clip_blip {
namespace {

using torch::jit::Node;
using torch::jit::Value;

constexpr const char* kName = "clip_blip::attention";

void RegisterAttention() {
  static std::once_flag once;
  std::call_once(once, [] {
    RegisterOperator(
        "clip_blip::attention(Tensor query, Tensor key, Tensor value, bool causal) -> Tensor",
        [](torch::jit::Stack& stack) {
          bool causal = torch::jit::pop(stack).toBool();
          at::Tensor value = torch::jit::pop(stack).toTensor();
          at::Tensor key = torch::jit::pop(stack).toTensor();
          at::Tensor query = torch::jit::pop(stack).toTensor();
          torch::jit::push(stack, Attend(query, key, value, causal));
        });
  });
}

/// Whether an optional argument was left at its neutral value.
bool Neutral(const Value* value) {
  auto constant = torch::jit::toIValue(value);
  if (!constant) return false;
  if (constant->isNone()) return true;
  if (constant->isBool()) return !constant->toBool();
  return constant->isDouble() && constant->toDouble() == 0;
}

bool IsPlain(const Node* node) {
  // query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa
  return node->kind() == c10::aten::scaled_dot_product_attention && node->inputs().size() == 8 &&
         Neutral(node->input(3)) && Neutral(node->input(4)) && Neutral(node->input(6)) &&
         Neutral(node->input(7));
}

void ReplaceInBlock(torch::jit::Block* block) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it++;
    for (torch::jit::Block* inner : node->blocks()) ReplaceInBlock(inner);
    if (!IsPlain(node)) continue;
    torch::jit::WithInsertPoint at(node);
    Value* attention =
        InsertTensorNode(*node->owningGraph(), kName,
                         {node->input(0), node->input(1), node->input(2), node->input(5)});
    node->output()->replaceAllUsesWith(attention);
    node->destroy();
  }
}

}  // namespace

void ReplaceAttention(torch::jit::Graph& graph) {
  RegisterAttention();
  ReplaceInBlock(graph.block());
}

}  // namespace clip_blip
