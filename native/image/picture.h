#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace clip_blip {

enum class Resample { kNearest, kBox, kBilinear, kHamming, kBicubic, kLanczos };

struct PictureSize {
  int64_t height = 0;
  int64_t width = 0;
};

struct ResizePlan {
  /// At most one of shortest_edge and exact is set; longest_edge only with shortest_edge.
  std::optional<int64_t> shortest_edge;
  std::optional<int64_t> longest_edge;
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
