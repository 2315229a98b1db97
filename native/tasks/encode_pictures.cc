#include "tasks/encode_pictures.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <array>

#include "image/pixel_batch.h"
#include "image/pixel_stage.h"

namespace clip_blip {
namespace {

/// What each value of a byte becomes in each channel, in the order of operations of transformers.
template <typename T>
using Tables = std::array<std::array<T, 256>, 3>;

template <typename T>
Tables<T> TablesOf(const NormalizePlan& plan) {
  Tables<T> tables;
  for (size_t channel = 0; channel < 3; ++channel) {
    auto mean = static_cast<float>(plan.mean[channel]), std = static_cast<float>(plan.std[channel]);
    for (size_t value = 0; value < 256; ++value) {
      float scaled = static_cast<float>(value) * static_cast<float>(plan.scale);
      tables[channel][value] = static_cast<T>((scaled - mean) / std);
    }
  }
  return tables;
}

/// From interleaved bytes to planes, in one pass over both.
template <typename T>
void FillPlanes(const PixelBatch& batch, T* out) {
  Tables<T> tables = TablesOf<T>(batch.normalize);
  int64_t plane = batch.height * batch.width;
  int64_t rows = static_cast<int64_t>(batch.pixels.size()) * batch.height;
  constexpr int64_t kRowsATask = 64;
  at::parallel_for(0, rows, kRowsATask, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t picture = row / batch.height, y = row % batch.height;
      const uint8_t* from = batch.pixels[static_cast<size_t>(picture)] + y * batch.width * 3;
      T* to = out + picture * 3 * plane + y * batch.width;
      for (int64_t x = 0; x < batch.width; ++x) {
        to[x] = tables[0][from[3 * x]];
        to[x + plane] = tables[1][from[3 * x + 1]];
        to[x + 2 * plane] = tables[2][from[3 * x + 2]];
      }
    }
  });
}

/// Planes on the host, normalised there.
GraphInput Planes(const PixelBatch& batch, c10::ScalarType dtype) {
  auto fill = [&batch, dtype](const at::Tensor& planes) {
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, dtype, "Planes", [&] {
      FillPlanes(batch, planes.mutable_data_ptr<scalar_t>());
    });
  };
  int64_t pictures = static_cast<int64_t>(batch.pixels.size());
  return {{pictures, 3, batch.height, batch.width}, at::TensorOptions().dtype(dtype), fill};
}

/// Bytes on an accelerator, [B, H, W, 3]: four times fewer than floats cross the bus.
GraphInput Bytes(const LoadedModule& module, const PixelBatch& batch) {
  auto fill = [&module, &batch](const at::Tensor& bytes) {
    module.normalization()->Set(batch.normalize);
    PixelStage* stage = module.pixel_stage();
    if (stage != nullptr && stage->CopyTo(batch, bytes)) return;
    UploadPixels(batch, bytes);
  };
  return {ShapeOf(batch), at::TensorOptions().dtype(at::kByte).device(module.device()), fill};
}

/// Such bytes as encode_image reads them.
at::Tensor ToPixels(const LoadedModule& module, const at::Tensor& bytes) {
  at::Tensor planes = bytes.permute({0, 3, 1, 2});
  if (module.takes_bytes()) return planes;
  at::Tensor pixels = at::empty(planes.sizes(), planes.options().dtype(module.dtype()));
  Normalize(planes, module.normalization()->numbers(), /*channels=*/1, pixels);
  return pixels;
}

}  // namespace

at::Tensor EncodePictures(const LoadedModule& module, const PixelBatch& batch,
                          const std::string& name,
                          const std::function<at::Tensor(const at::Tensor&)>& finish) {
  bool on_cpu = module.device().is_cpu();
  auto run = [&module, on_cpu, finish](const at::Tensor& input) {
    at::Tensor output = AsTensor(
        "encode_image", module.Run("encode_image", {on_cpu ? input : ToPixels(module, input)}));
    return finish ? finish(output) : output;
  };
  return module.graphs().Run(name, on_cpu ? Planes(batch, module.dtype()) : Bytes(module, batch),
                             run);
}

}  // namespace clip_blip
