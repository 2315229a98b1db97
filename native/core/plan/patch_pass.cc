#include "patch_pass.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>

#include "plan_nodes.h"

namespace clip_blip {
namespace {

using torch::jit::Node;
using torch::jit::Value;

/// Numbers that cuBLAS wants a row to be a multiple of, or its kernels are several times slower:
/// 16 bytes of float16 (https://docs.nvidia.com/cuda/cublas/, "Tensor Core Usage").
constexpr int64_t kRowMultiple = 8;

/// Non-overlapping squares, row by row, filled up with zeros to `width`:
/// [B, C, H, W] -> [B, rows * columns, width], where width is at least C * side * side.
at::Tensor CutPatches(const at::Tensor& pixels, int64_t side, int64_t width) {
  int64_t channels = pixels.size(1), rows = pixels.size(2) / side, columns = pixels.size(3) / side;
  int64_t numbers = channels * side * side;
  at::Tensor patches = at::empty({pixels.size(0), rows * columns, width}, pixels.options());
  patches.narrow(2, numbers, width - numbers).zero_();
  patches.narrow(2, 0, numbers)
      .unflatten(2, {channels, side, side})
      .unflatten(1, {rows, columns})
      .copy_(pixels.narrow(2, 0, rows * side)
                 .narrow(3, 0, columns * side)
                 .reshape({-1, channels, rows, side, columns, side})
                 .permute({0, 2, 4, 1, 3, 5}));
  return patches;
}

/// The vectors of the patches as the convolution lays them out: [B, N, W] -> [B, W, rows, columns].
at::Tensor LayOut(const at::Tensor& vectors, const at::Tensor& pixels, int64_t side) {
  return vectors.transpose(1, 2).unflatten(2, {pixels.size(2) / side, pixels.size(3) / side});
}

void RegisterOperators() {
  static std::once_flag once;
  std::call_once(once, [] {
    RegisterOperator("clip_blip::cut_patches(Tensor pixels, int side, int width) -> Tensor",
                     [](torch::jit::Stack& stack) {
                       int64_t width = torch::jit::pop(stack).toInt();
                       int64_t side = torch::jit::pop(stack).toInt();
                       at::Tensor pixels = torch::jit::pop(stack).toTensor();
                       torch::jit::push(stack, CutPatches(pixels, side, width));
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
  return (node->input(2)->mustBeNone() || ConstantTensor(node->input(2))) &&
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
    at::Tensor convolution = *ConstantTensor(node->input(1)), weight = convolution.flatten(1);
    bool packs = PackedWeights::Supports(weight);
    int64_t missing = packs ? 0 : (kRowMultiple - weight.size(1) % kRowMultiple) % kRowMultiple;
    if (missing > 0) weight = at::constant_pad_nd(weight, {0, missing});
    Value* side = graph.insertConstant(convolution.size(2));
    Value* width = graph.insertConstant(weight.size(1));
    Value* patches =
        InsertTensorNode(graph, "clip_blip::cut_patches", {node->input(0), side, width});
    Value* vectors =
        packs ? InsertLinear(graph, patches, packed.Pack(weight, 1), node->input(2), "none", "")
              : InsertTensorNode(graph, "aten::linear",
                                 {patches, graph.insertConstant(weight), node->input(2)});
    Value* laid_out =
        InsertTensorNode(graph, "clip_blip::lay_out_patches", {vectors, node->input(0), side});
    node->output()->replaceAllUsesWith(laid_out);
    node->destroy();
  }
}

}  // namespace clip_blip
