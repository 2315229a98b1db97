#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>

#include "image/normalization.h"
#include "model/plan/passes.h"
#include "model/plan/plan_nodes.h"

namespace clip_blip {
namespace {

using torch::jit::Node;
using torch::jit::Value;

/// Numbers that cuBLAS wants a row to be a multiple of, or its kernels are several times slower:
/// 16 bytes of float16 (https://docs.nvidia.com/cuda/cublas/, "Tensor Core Usage").
constexpr int64_t kRowMultiple = 8;

/// Non-overlapping squares, row by row, filled up with zeros to `width`:
/// [B, C, H, W] -> [B, rows * columns, width], where width is at least C * side * side.
at::Tensor CutPatches(const at::Tensor& pixels, const std::optional<at::Tensor>& normalization,
                      int64_t side, int64_t width, at::ScalarType dtype) {
  int64_t channels = pixels.size(1), rows = pixels.size(2) / side, columns = pixels.size(3) / side;
  int64_t numbers = channels * side * side;
  at::Tensor patches =
      at::empty({pixels.size(0), rows * columns, width}, pixels.options().dtype(dtype));
  if (width > numbers) patches.narrow(2, numbers, width - numbers).zero_();
  // [B, rows, columns, C, side, side], both.
  at::Tensor windows = patches.narrow(2, 0, numbers)
                           .unflatten(2, {channels, side, side})
                           .unflatten(1, {rows, columns});
  at::Tensor cut = pixels.narrow(2, 0, rows * side)
                       .narrow(3, 0, columns * side)
                       .unflatten(3, {columns, side})
                       .unflatten(2, {rows, side})
                       .permute({0, 2, 4, 1, 3, 5});
  if (normalization && pixels.scalar_type() == at::kByte) {
    Normalize(cut, *normalization, /*channels=*/3, windows);
  } else {
    windows.copy_(cut);
  }
  return patches;
}

/// The vectors of the patches as the convolution lays them out: [B, N, W] -> [B, W, rows, columns].
at::Tensor LayOut(const at::Tensor& vectors, const at::Tensor& pixels, int64_t side) {
  return vectors.transpose(1, 2).unflatten(2, {pixels.size(2) / side, pixels.size(3) / side});
}

void RegisterOperators() {
  static std::once_flag once;
  std::call_once(once, [] {
    RegisterOperator(
        "clip_blip::cut_patches(Tensor pixels, Tensor? normalization, int side, int width, "
        "int dtype) -> Tensor",
        [](torch::jit::Stack& stack) {
          at::ScalarType dtype = torch::jit::pop(stack).toScalarType();
          int64_t width = torch::jit::pop(stack).toInt();
          int64_t side = torch::jit::pop(stack).toInt();
          auto normalization = torch::jit::pop(stack).toOptional<at::Tensor>();
          at::Tensor pixels = torch::jit::pop(stack).toTensor();
          torch::jit::push(stack, CutPatches(pixels, normalization, side, width, dtype));
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

void ReplacePatchConvolution(torch::jit::Graph& graph, PackedWeights& packed,
                             const at::Tensor& normalization) {
  RegisterOperators();
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    Node* node = *it++;
    if (!IsPatchConvolution(node)) continue;
    torch::jit::WithInsertPoint at(node);
    at::Tensor convolution = *ConstantTensor(node->input(1)), weight = convolution.flatten(1);
    bool packs = PackedWeights::Supports(weight);
    int64_t missing = packs ? 0 : (kRowMultiple - weight.size(1) % kRowMultiple) % kRowMultiple;
    if (missing > 0) weight = at::constant_pad_nd(weight, {0, missing});
    // The cut gives the type that is wanted, whatever it is given.
    Value* pixels = node->input(0);
    if (pixels->node()->kind() == c10::aten::to) pixels = pixels->node()->input(0);
    Value* numbers =
        graph.insertConstant(normalization.defined() ? c10::IValue(normalization) : c10::IValue());
    Value* side = graph.insertConstant(convolution.size(2));
    Value* width = graph.insertConstant(weight.size(1));
    Value* dtype = graph.insertConstant(static_cast<int64_t>(weight.scalar_type()));
    Value* patches =
        InsertTensorNode(graph, "clip_blip::cut_patches", {pixels, numbers, side, width, dtype});
    Value* vectors =
        packs ? InsertLinear(graph, patches, packed.Pack(weight, 1), node->input(2), "none", "")
              : InsertTensorNode(graph, "aten::linear",
                                 {patches, graph.insertConstant(weight), node->input(2)});
    Value* laid_out =
        InsertTensorNode(graph, "clip_blip::lay_out_patches", {vectors, pixels, side});
    node->output()->replaceAllUsesWith(laid_out);
    node->destroy();
  }
}

bool OnlyCutIntoPatches(const Value* value) {
  static const auto cut = c10::Symbol::fromQualString("clip_blip::cut_patches");
  static const auto laid_out = c10::Symbol::fromQualString("clip_blip::lay_out_patches");
  bool is_cut = false;
  for (const torch::jit::Use& use : value->uses()) {
    c10::Symbol kind = use.user->kind();
    is_cut |= kind == cut;
    if (kind != cut && kind != laid_out && kind != c10::aten::size) return false;
  }
  return is_cut;
}

}  // namespace clip_blip
