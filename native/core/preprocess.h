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

/// A range of rows or columns of a picture.
struct Span {
  int64_t begin = 0;
  int64_t length = 0;
};

struct Picture {
  std::vector<uint8_t> pixels;
  int64_t height = 0;
  int64_t width = 0;
};

/// The size after the resize, before the crop, as transformers' get_resize_output_image_size.
PictureSize ResizedSize(PictureSize input, const ResizePlan& plan);

/// The columns of a picture that its result is made of.
Span NeededColumns(PictureSize size, const ResizePlan& plan);

/// Resize and centre crop of interleaved 8-bit RGB: Pillow's bytes, transformers' geometry.
/// Only the pixels that the crop keeps are computed. `rgb` has the columns `held` of each row, which
/// the needed ones have to be among.
Picture Preprocess(const uint8_t* rgb, PictureSize size, Span held, const ResizePlan& plan);

}  // namespace clip_blip
