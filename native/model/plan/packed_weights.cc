#include "model/plan/packed_weights.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace clip_blip {
namespace {

/// Rows of activations that the layout is chosen for. It was no slower for 1, 4, 12 and 1600 rows
/// than layouts chosen for those, but one chosen for 1 row was up to 2.5 times slower for 4.
constexpr int64_t kTypicalRows = 400;

std::optional<c10::OperatorHandle> ReorderOperator() {
  return c10::Dispatcher::singleton().findSchema({"mkldnn::_reorder_linear_weight", ""});
}

/// oneDNN refuses types that the CPU cannot multiply; the smallest weight shows it.
bool CanMultiply(at::ScalarType type) {
  if (!at::hasMKLDNN() || !at::globalContext().userEnabledMkldnn() || !ReorderOperator()) {
    return false;
  }
  auto multiply = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!multiply) return false;
  try {
    at::Tensor weight = at::ones({16, 16}, type);
    torch::jit::Stack stack{weight, kTypicalRows};
    ReorderOperator()->callBoxed(stack);
    at::Tensor packed = stack[0].toTensor();
    stack = {weight,
             packed,
             c10::IValue(),
             "none",
             c10::impl::GenericList(c10::OptionalType::create(c10::NumberType::get())),
             c10::IValue("")};
    multiply->callBoxed(stack);
    return stack[0].toTensor()[0][0].item<float>() == 16;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

bool PackedWeights::Supports(const at::Tensor& weight) {
  if (!weight.is_cpu() || weight.dim() != 2) return false;
  static const bool float32 = CanMultiply(at::kFloat);
  static const bool bfloat16 = CanMultiply(at::kBFloat16);
  static const bool float16 = CanMultiply(at::kHalf);
  switch (weight.scalar_type()) {
    case at::kFloat:
      return float32;
    case at::kBFloat16:
      return bfloat16;
    case at::kHalf:
      return float16;
    default:
      return false;
  }
}

at::Tensor PackedWeights::Pack(const at::Tensor& weight, double scale) {
  Key key{weight.const_data_ptr(), weight.size(0), weight.size(1), scale};
  auto found = packed_.find(key);
  if (found != packed_.end()) return found->second.packed;
  torch::jit::Stack stack{Scaled(weight, scale).contiguous(), kTypicalRows};
  ReorderOperator()->callBoxed(stack);
  at::Tensor packed = stack[0].toTensor();
  packed_.emplace(key, Entry{weight, packed});
  return packed;
}

at::Tensor Scaled(const at::Tensor& tensor, double scale) {
  if (scale == 1) return tensor;
  return tensor.to(at::kFloat).mul(scale).to(tensor.scalar_type());
}

}  // namespace clip_blip
