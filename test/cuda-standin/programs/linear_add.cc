// `linear_add <clip_blip_cuda.so> <version of LibTorch>`: products with a bias and a summand, as
// the plans of a model ask clip_blip_cuda.so for them, on a stand-in that computes them. Prints how
// far they are from the CPU's, as JSON lines.

#include <ATen/ATen.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstring>

#include "device/device_backend.h"

namespace {

/// No kernel runs that could fill a tensor of the device; its memory is the host's.
at::Tensor ToDevice(const at::Tensor& tensor) {
  at::Tensor made = at::empty(tensor.sizes(), tensor.options().device(at::kCUDA));
  memcpy(made.mutable_data_ptr(), tensor.const_data_ptr(), tensor.nbytes());
  return made;
}

at::Tensor ToHost(const at::Tensor& tensor) {
  at::Tensor made = at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
  memcpy(made.mutable_data_ptr(), tensor.const_data_ptr(), tensor.nbytes());
  return made;
}

struct Case {
  const char* name;
  bool has_bias;
  /// What of [texts, tokens, width] is given.
  at::Tensor (*part)(const at::Tensor&);
};

void Print(clip_blip::DeviceBackend& backend, const Case& tried, at::ScalarType type) {
  constexpr int64_t kTexts = 5, kTokens = 3, kInner = 48, kWidth = 24;
  auto random = [&](at::IntArrayRef sizes) { return at::randn(sizes).to(type); };
  at::Tensor input = random({kTexts, kTokens, kInner}), other = random({kTexts, kTokens, kWidth});
  at::Tensor weight = random({kWidth, kInner}), bias = random({kWidth});
  std::optional<at::Tensor> device_bias;
  if (tried.has_bias) device_bias = ToDevice(bias);

  std::optional<at::Tensor> made = backend.LinearAdd(
      tried.part(ToDevice(input)), tried.part(ToDevice(other)), ToDevice(weight), device_bias);
  at::Tensor right = at::matmul(tried.part(input).to(at::kFloat), weight.to(at::kFloat).t()) +
                     tried.part(other).to(at::kFloat);
  if (tried.has_bias) right += bias.to(at::kFloat);
  double difference = -1;
  if (made) difference = (ToHost(*made).to(at::kFloat) - right).abs().max().item<double>();
  printf("{\"what\":\"%s\",\"type\":\"%s\",\"difference\":%g,\"largest\":%g,\"contiguous\":%s}\n",
         tried.name, c10::toString(type), difference, right.abs().max().item<double>(),
         made && made->is_contiguous() ? "true" : "false");
}

}  // namespace

int main(int, char** arguments) {
  at::globalContext().lazyInitDevice(at::kCUDA);
  void* library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fprintf(stderr, "%s\n", dlerror()), 1;
  auto function = reinterpret_cast<clip_blip::DeviceBackendFunction>(
      dlsym(library, clip_blip::kDeviceBackendSymbol));
  clip_blip::DeviceBackend* backend = function(arguments[2]);
  if (backend == nullptr) return fputs("It is of another LibTorch\n", stderr), 1;
  at::manual_seed(0);
  auto whole = [](const at::Tensor& tensor) { return tensor; };
  for (at::ScalarType type : {at::kHalf, at::kBFloat16, at::kFloat}) {
    Print(*backend, {"with a bias", true, whole}, type);
    Print(*backend, {"without a bias", false, whole}, type);
    auto first = [](const at::Tensor& tensor) { return tensor.select(1, 0); };
    Print(*backend, {"of the first token", true, first}, type);
    auto turned = [](const at::Tensor& tensor) { return tensor.transpose(0, 1); };
    Print(*backend, {"of turned tensors", true, turned}, type);
  }
}
