#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <optional>
#include <vector>

#include "model/plan/packed_weights.h"

namespace clip_blip {

/// A method of a module, made ready to run again and again: everything inlined, the parameters
/// constants of the graph, loops unrolled, patches read by a matrix product, factors put into
/// weights, and on the CPU the weights laid out for oneDNN. It is run by the interpreter
/// directly, so no call, not even the first, waits for an executor that profiles or compiles.
class ExecutionPlan {
 public:
  /// Empty if the method reads its module in a way that cannot be made constant. The weights are
  /// shared with other plans through `packed`; the plan owns what it needs of the module.
  /// `normalization`: Normalization::numbers() of an accelerator; undefined on the CPU.
  static std::optional<ExecutionPlan> Make(const torch::jit::Module& module,
                                           const torch::jit::Method& method, PackedWeights& packed,
                                           const at::Tensor& normalization);

  /// Whether the first input may be the bytes of pictures, [B, 3, H, W], and not only normalised
  /// numbers.
  bool takes_bytes() const { return takes_bytes_; }

  /// May be called from several threads at a time.
  c10::IValue Run(std::vector<c10::IValue> inputs) const;

 private:
  ExecutionPlan(torch::jit::Code code, bool takes_bytes)
      : code_(std::move(code)), takes_bytes_(takes_bytes) {}

  torch::jit::Code code_;
  bool takes_bytes_;
};

}  // namespace clip_blip
