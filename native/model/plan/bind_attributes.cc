#include <torch/csrc/jit/ir/constants.h>

#include <unordered_map>

#include "model/plan/passes.h"

namespace clip_blip {
namespace {

using torch::jit::Node;
using torch::jit::Value;

/// Values of the graph that are the module or a module within it.
using Objects = std::unordered_map<Value*, c10::intrusive_ptr<c10::ivalue::Object>>;

void BindBlock(torch::jit::Block* block, Objects& objects) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it++;
    for (torch::jit::Block* inner : node->blocks()) BindBlock(inner, objects);
    if (node->kind() != c10::prim::GetAttr) continue;
    auto owner = objects.find(node->input());
    if (owner == objects.end()) continue;
    c10::IValue value = owner->second->getAttr(node->s(c10::attr::name));
    if (value.isObject()) {
      objects.emplace(node->output(), value.toObject());
      continue;
    }
    // Constants take part in no gradient.
    if (value.isTensor() && value.toTensor().defined()) value = value.toTensor().detach();
    torch::jit::WithInsertPoint at(node);
    auto constant = torch::jit::tryInsertConstant(*node->owningGraph(), value);
    if (!constant) continue;
    node->output()->replaceAllUsesWith(*constant);
    node->destroy();
  }
}

/// Takes out the reads of modules that nothing reads from any more, innermost first.
void DropObjectReads(torch::jit::Block* block) {
  for (auto it = block->nodes().rbegin(); it != block->nodes().rend(); ++it) {
    for (torch::jit::Block* inner : it->blocks()) DropObjectReads(inner);
    if (it->kind() == c10::prim::GetAttr && !it->output()->hasUses()) it.destroyCurrent();
  }
}

}  // namespace

bool BindAttributes(torch::jit::Graph& graph, const torch::jit::Module& module) {
  Objects objects{{graph.inputs()[0], module._ivalue()}};
  BindBlock(graph.block(), objects);
  DropObjectReads(graph.block());
  if (graph.inputs()[0]->hasUses()) return false;
  graph.eraseInput(0);
  return true;
}

}  // namespace clip_blip
