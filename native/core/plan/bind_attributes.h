#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

namespace clip_blip {

/// Turns what an inlined method reads of its module into constants, and drops the module from its
/// inputs. false: something of the module cannot be a constant, and the graph is of no use.
bool BindAttributes(torch::jit::Graph& graph, const torch::jit::Module& module);

}  // namespace clip_blip
