#include "pixels.h"

#include <ATen/ATen.h>

#include <cstring>

namespace clip_blip {

at::Tensor UploadPixels(const LoadedModule& module, const PixelBatch& batch) {
  c10::Device device = module.device();
  int64_t rows = static_cast<int64_t>(batch.pixels.size());
  size_t picture_bytes = static_cast<size_t>(batch.height * batch.width * 3);

  // Bytes cross the bus, four times fewer than floats would be.
  at::Tensor bytes =
      at::empty({rows, batch.height, batch.width, 3},
                at::TensorOptions().dtype(at::kByte).pinned_memory(!device.is_cpu()));
  uint8_t* target = bytes.mutable_data_ptr<uint8_t>();
  for (const uint8_t* picture : batch.pixels) {
    std::memcpy(target, picture, picture_bytes);
    target += picture_bytes;
  }
  at::Tensor uploaded = bytes.to(device, /*non_blocking=*/true);

  const NormalizePlan& plan = batch.normalize;
  auto channels = [&](const double (&values)[3]) {
    return at::tensor(at::ArrayRef<double>(values, 3), at::TensorOptions().dtype(at::kFloat))
        .view({1, 3, 1, 1})
        .to(device);
  };
  at::Tensor pixels = uploaded.permute({0, 3, 1, 2})
                          .to(at::kFloat, /*non_blocking=*/false,
                              /*copy=*/false, at::MemoryFormat::Contiguous);
  pixels.mul_(plan.scale).sub_(channels(plan.mean)).div_(channels(plan.std));
  return pixels.to(module.dtype());
}

}  // namespace clip_blip
