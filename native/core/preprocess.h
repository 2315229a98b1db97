#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace clip_blip {

enum class Resample { kNearest, kBilinear, kBicubic, kLanczos };

struct PictureSize {
  int64_t height = 0;
  int64_t width = 0;
};

struct ResizePlan {
  /// At most one of the two is set.
  std::optional<int64_t> shortest_edge;
  std::optional<PictureSize> exact;
  Resample resample = Resample::kBicubic;
  std::optional<PictureSize> crop;
};

struct Picture {
  std::vector<uint8_t> pixels;
  int64_t height = 0;
  int64_t width = 0;
};

/// The size after the resize, before the crop, as transformers' get_resize_output_image_size.
PictureSize ResizedSize(PictureSize input, const ResizePlan& plan);

/// Resize and centre crop of interleaved 8-bit RGB: Pillow's bytes, transformers' geometry.
/// Only the pixels that the crop keeps are computed.
Picture Preprocess(const uint8_t* rgb, PictureSize size, const ResizePlan& plan);

}  // namespace clip_blip
