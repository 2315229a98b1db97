#include "model/plan/execution_plan.h"

#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/passes/loop_unrolling.h>

#include <utility>

#include "model/plan/passes.h"

namespace clip_blip {

std::optional<ExecutionPlan> ExecutionPlan::Make(const torch::jit::Module& module,
                                                 const torch::jit::Method& method,
                                                 PackedWeights& packed,
                                                 const at::Tensor& normalization) {
  std::shared_ptr<torch::jit::Graph> graph = method.graph()->copy();
  torch::jit::Inline(*graph);
  if (!BindAttributes(*graph, module)) return std::nullopt;
  // Once for the number of repeats, and once more for what depends on the loops' counters: which
  // layer a weight belongs to.
  torch::jit::ConstantPropagation(graph);
  torch::jit::UnrollConstantLoops(graph);
  torch::jit::ConstantPropagation(graph);
  torch::jit::EliminateDeadCode(graph);
  ReplacePatchConvolution(*graph, packed, normalization);
  PackLinears(*graph, packed);
  ReplaceAttention(*graph);
  torch::jit::EliminateDeadCode(graph);
  bool takes_bytes = normalization.defined() && OnlyCutIntoPatches(graph->inputs()[1]);
  return ExecutionPlan(torch::jit::Code(graph, method.name()), takes_bytes);
}

c10::IValue ExecutionPlan::Run(std::vector<c10::IValue> inputs) const {
  torch::jit::InterpreterState(code_).run(inputs);
  return std::move(inputs.front());
}

}  // namespace clip_blip
