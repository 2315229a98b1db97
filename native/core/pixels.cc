#include "pixels.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <utility>

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

/// Bytes that are copied at a time: while they cross the bus, the next ones are copied.
constexpr int64_t kChunk = 8 << 20;
/// Chunks that are under way at most, so that pinned memory stays below 64 MiB.
constexpr size_t kMostChunks = 8;
/// Bytes from which on a thread more pays.
constexpr int64_t kBytesATask = 2 << 20;

/// Pictures from `begin` on, one behind the other.
void CopyPictures(const PixelBatch& batch, int64_t begin, int64_t count, uint8_t* to) {
  int64_t picture_bytes = batch.height * batch.width * 3;
  at::parallel_for(
      0, count, std::max<int64_t>(1, kBytesATask / picture_bytes), [&](int64_t from, int64_t end) {
        for (int64_t i = from; i < end; ++i) {
          std::memcpy(to + i * picture_bytes, batch.pixels[static_cast<size_t>(begin + i)],
                      static_cast<size_t>(picture_bytes));
        }
      });
}

/// Brings the bytes of all pictures to the device, without waiting for it.
void UploadBytes(const PixelBatch& batch, const at::Tensor& uploaded) {
  c10::Device device = uploaded.device();
  int64_t pictures = uploaded.size(0);
  auto options = at::TensorOptions().dtype(at::kByte);
  int64_t chunk = std::max<int64_t>(1, kChunk / (batch.height * batch.width * 3));
  c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  std::deque<std::pair<at::Tensor, c10::Event>> under_way;
  for (int64_t begin = 0; begin < pictures; begin += chunk) {
    int64_t count = std::min(chunk, pictures - begin);
    if (under_way.size() == kMostChunks) {
      under_way.front().second.synchronize();
      under_way.pop_front();
    }
    at::Tensor bytes =
        at::empty({count, batch.height, batch.width, 3}, options.pinned_memory(true));
    CopyPictures(batch, begin, count, bytes.mutable_data_ptr<uint8_t>());
    uploaded.narrow(0, begin, count).copy_(bytes, /*non_blocking=*/true);
    c10::Event arrived(device.type());
    arrived.record(stream);
    under_way.emplace_back(std::move(bytes), std::move(arrived));
  }
}

/// Bytes on an accelerator, [B, H, W, 3]: four times fewer than floats cross the bus.
GraphInput Bytes(const LoadedModule& module, const PixelBatch& batch) {
  auto fill = [&module, &batch](const at::Tensor& bytes) {
    module.normalization()->Set(batch.normalize);
    UploadBytes(batch, bytes);
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
    at::Tensor output =
        module.RunTensor("encode_image", {on_cpu ? input : ToPixels(module, input)});
    return finish ? finish(output) : output;
  };
  return module.RunRecorded(name, on_cpu ? Planes(batch, module.dtype()) : Bytes(module, batch),
                            run);
}

}  // namespace clip_blip
