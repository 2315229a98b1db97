#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include "model/plan/packed_weights.h"

namespace clip_blip {

// The passes over an inlined method's graph, in the order in which ExecutionPlan::Make runs them.

/// Turns what an inlined method reads of its module into constants, and drops the module from its
/// inputs. False if something of the module cannot be a constant; the graph is then useless.
bool BindAttributes(torch::jit::Graph& graph, const torch::jit::Module& module);

/// Replaces a convolution whose windows lie side by side, as every vision transformer begins with,
/// by a matrix product over the windows: oneDNN's convolution of 32 x 32 pixels took twice as long,
/// cuDNN's on an H200 twenty times (2.1 ms for 256 pictures). With a `normalization` (see
/// ExecutionPlan), what is cut may be bytes, which are normalised as they are put into the windows.
void ReplacePatchConvolution(torch::jit::Graph& graph, PackedWeights& packed,
                             const at::Tensor& normalization);

/// Whether a value is only read to be cut into patches, apart from its sizes.
bool OnlyCutIntoPatches(const torch::jit::Value* value);

/// Fuses every linear layer with constant weights with the activation or the sum behind it. On the
/// CPU it becomes oneDNN's layer with packed weights. On CUDA only sums are fused. Everywhere
/// the factors of QuickGELU are put into the weights.
void PackLinears(torch::jit::Graph& graph, PackedWeights& packed);

/// Replaces LibTorch's attention, where it has no mask, by `Attend`, which is faster on the CPU and
/// the same elsewhere.
void ReplaceAttention(torch::jit::Graph& graph);

}  // namespace clip_blip
