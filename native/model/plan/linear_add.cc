#include "model/plan/linear_add.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <mutex>

#include "device/device_backend.h"
#include "model/plan/plan_nodes.h"

namespace clip_blip {
namespace {

constexpr const char* kName = "clip_blip::linear_add";

at::Tensor Call(const c10::OperatorHandle& operation, torch::jit::Stack stack) {
  operation.callBoxed(stack);
  return stack[0].toTensor();
}

/// Whether `other` has the shape and the type of the layer's output: one that is spread over it,
/// as positions are over pictures, oneDNN does not add.
bool FitsOutput(const at::Tensor& input, const at::Tensor& other, const at::Tensor& weight) {
  if (other.scalar_type() != input.scalar_type() || other.dim() != input.dim()) return false;
  auto outer = static_cast<size_t>(input.dim()) - 1;
  return other.sizes().slice(0, outer) == input.sizes().slice(0, outer) &&
         other.size(-1) == weight.size(0);
}

at::Tensor OnAccelerator(const at::Tensor& input, const at::Tensor& other, const at::Tensor& weight,
                         const std::optional<at::Tensor>& bias) {
  DeviceBackend* backend = BackendOf(input.device());
  if (backend != nullptr && FitsOutput(input, other, weight)) {
    if (auto sum = backend->LinearAdd(input, other, weight, bias)) return *sum;
  }
  return at::linear(input, weight, bias).add(other);
}

at::Tensor LinearAdd(const at::Tensor& input, const at::Tensor& other, const at::Tensor& weight,
                     const c10::IValue& bias) {
  if (!input.is_cpu()) return OnAccelerator(input, other, weight, bias.toOptional<at::Tensor>());
  static const auto fused =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "binary");
  static const auto plain =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "");
  if (FitsOutput(input, other, weight)) return Call(fused, {input, other, weight, bias, "add"});
  c10::impl::GenericList none(c10::OptionalType::create(c10::NumberType::get()));
  return Call(plain, {input, weight, bias, "none", none, c10::IValue("")}) + other;
}

void Register() {
  static std::once_flag once;
  std::call_once(once, [] {
    RegisterOperator(
        "clip_blip::linear_add(Tensor input, Tensor other, Tensor weight, Tensor? bias) -> Tensor",
        [](torch::jit::Stack& stack) {
          c10::IValue bias = torch::jit::pop(stack);
          at::Tensor weight = torch::jit::pop(stack).toTensor();
          at::Tensor other = torch::jit::pop(stack).toTensor();
          at::Tensor input = torch::jit::pop(stack).toTensor();
          torch::jit::push(stack, LinearAdd(input, other, weight, bias));
        });
  });
}

}  // namespace

torch::jit::Value* InsertLinearAdd(torch::jit::Graph& graph, torch::jit::Value* input,
                                   torch::jit::Value* other, torch::jit::Value* weight,
                                   torch::jit::Value* bias) {
  Register();
  return InsertTensorNode(graph, kName, {input, other, weight, bias});
}

}  // namespace clip_blip
