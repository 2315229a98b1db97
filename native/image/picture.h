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

}  // namespace clip_blip
