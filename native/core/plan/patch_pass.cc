#include "patch_pass.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>

#include "plan_nodes.h"

namespace clip_blip {
namespace {

using torch::jit::Node;
using torch::jit::Value;

/// Non-overlapping squares, row by row: [B, C, H, W] -> [B, rows * columns, C * side * side].
at::Tensor CutPatches(const at::Tensor& pixels, int64_t side) {
  int64_t channels = pixels.size(1), rows = pixels.size(2) / side, columns = pixels.size(3) / side;
  return pixels.narrow(2, 0, rows * side)
      .narrow(3, 0, columns * side)
      .reshape({-1, channels, rows, side, columns, side})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({-1, rows * columns, channels * side * side});
}

/// The vectors of the patches as the convolution lays them out: [B, N, W] -> [B, W, rows, columns].
at::Tensor LayOut(const at::Tensor& vectors, const at::Tensor& pixels, int64_t side) {
  return vectors.transpose(1, 2).unflatten(2, {pixels.size(2) / side, pixels.size(3) / side});
}

void RegisterOperators() {
  static std::once_flag once;
  std::call_once(once, [] {
    RegisterOperator("clip_blip::cut_patches(Tensor pixels, int side) -> Tensor",
                     [](torch::jit::Stack& stack) {
                       int64_t side = torch::jit::pop(stack).toInt();
                       at::Tensor pixels = torch::jit::pop(stack).toTensor();
                       torch::jit::push(stack, CutPatches(pixels, side));
                     });
    // A view of its first argument; "(a)" tells the passes so.
    RegisterOperator(
        "clip_blip::lay_out_patches(Tensor(a) vectors, Tensor pixels, int side) -> Tensor(a)",
        [](torch::jit::Stack& stack) {
          int64_t side = torch::jit::pop(stack).toInt();
          at::Tensor pixels = torch::jit::pop(stack).toTensor();
          at::Tensor vectors = torch::jit::pop(stack).toTensor();
          torch::jit::push(stack, LayOut(vectors, pixels, side));
        });
  });
}

bool AllEqual(const Value* value, int64_t expected) {
  auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isIntList()) return false;
  for (int64_t number : constant->toIntList()) {
    if (number != expected) return false;
  }
  return true;
}

bool IsPatchConvolution(const Node* node) {
  // input, weight, bias, stride, padding, dilation, groups
  if (node->kind() != c10::aten::conv2d || node->inputs().size() != 7) return false;
  auto weight = ConstantTensor(node->input(1));
  if (!weight || weight->dim() != 4 || weight->size(2) != weight->size(3)) return false;
  auto groups = torch::jit::toIValue(node->input(6));
  return PackedWeights::Supports(weight->flatten(1)) &&
         (node->input(2)->mustBeNone() || ConstantTensor(node->input(2))) &&
         AllEqual(node->input(3), weight->size(2)) && AllEqual(node->input(4), 0) &&
         AllEqual(node->input(5), 1) && groups && groups->isInt() && groups->toInt() == 1;
}

}  // namespace

void ReplacePatchConvolution(torch::jit::Graph& graph, PackedWeights& packed) {
  RegisterOperators();
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    Node* node = *it++;
    if (!IsPatchConvolution(node)) continue;
    torch::jit::WithInsertPoint at(node);
    at::Tensor weight = *ConstantTensor(node->input(1));
    Value* side = graph.insertConstant(weight.size(2));
    Value* patches = InsertTensorNode(graph, "clip_blip::cut_patches", {node->input(0), side});
    Value* vectors =
        InsertLinear(graph, patches, packed.Pack(weight.flatten(1), 1), node->input(2), "none", "");
    Value* laid_out =
        InsertTensorNode(graph, "clip_blip::lay_out_patches", {vectors, node->input(0), side});
    node->output()->replaceAllUsesWith(laid_out);
    node->destroy();
  }
}

}  // namespace clip_blip
