#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace at {
class Tensor;
}

namespace clip_blip {

/// What bytes become before a model reads them: (byte * scale - mean) / std, by channel.
struct NormalizePlan {
  double scale = 1;
  std::array<double, 3> mean{0, 0, 0};
  std::array<double, 3> std{1, 1, 1};

  bool operator==(const NormalizePlan&) const = default;
};

/// Interleaved RGB pictures of one size. The bytes belong to the caller and outlive the call.
struct PixelBatch {
  std::vector<const uint8_t*> pixels;
  int64_t height = 0;
  int64_t width = 0;
  NormalizePlan normalize;
};

/// [pictures, height, width, channels]
inline std::vector<int64_t> ShapeOf(const PixelBatch& batch) {
  return {static_cast<int64_t>(batch.pixels.size()), batch.height, batch.width, 3};
}

/// Brings the bytes of all pictures to `uploaded` [B, H, W, 3] on an accelerator, in the order of
/// its current stream, without waiting for it.
void UploadPixels(const PixelBatch& batch, const at::Tensor& uploaded);

}  // namespace clip_blip
