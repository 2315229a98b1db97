#include "image/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "device/failure.h"
#include "image/resample.h"

namespace clip_blip {
namespace {

// The result becomes an ArrayBuffer; nothing that a model takes comes near this.
constexpr int64_t kMaxOutputBytes = int64_t{1} << 30;
constexpr int64_t kMaxSide = int64_t{1} << 31;

/// One axis of transformers' center_crop: which of the picture's pixels are kept, and where in the
/// output they go. What is not covered stays black.
struct CropSpan {
  int64_t source;
  int64_t target;
  int64_t length;
};

CropSpan CropAxis(int64_t size, int64_t crop) {
  if (crop <= size) return {(size - crop) / 2, 0, crop};
  return {0, (crop - size + 1) / 2, size};
}

void CheckSize(PictureSize size) {
  if (size.height < 1 || size.width < 1 || size.height > kMaxSide || size.width > kMaxSide) {
    throw Failure(ErrorCode::kInvalidArgument, "A picture of " + std::to_string(size.width) + "x" +
                                                   std::to_string(size.height) +
                                                   " pixels is not possible");
  }
}

}  // namespace

PictureSize ResizedSize(PictureSize input, const ResizePlan& plan) {
  if (plan.exact) return *plan.exact;
  if (!plan.shortest_edge) return input;
  int64_t edge = *plan.shortest_edge;
  int64_t shorter = std::min(input.height, input.width);
  int64_t longer = std::max(input.height, input.width);
  // Python's int(edge * long / short): a true division, then towards zero.
  double scaled = static_cast<double>(edge * longer) / static_cast<double>(shorter);
  if (plan.longest_edge) {
    // transformers' get_size_with_aspect_ratio, with its order of operations.
    auto small = static_cast<double>(shorter);
    auto large = static_cast<double>(longer);
    auto limit = static_cast<double>(*plan.longest_edge);
    if (large / small * static_cast<double>(edge) > limit) {
      double raw = limit * small / large;
      edge = static_cast<int64_t>(std::nearbyint(raw));
      scaled = raw * large / small;
    }
    if (shorter == edge) return input;
  }
  if (scaled >= static_cast<double>(kMaxSide)) {
    throw Failure(ErrorCode::kInvalidArgument, "A picture of " + std::to_string(input.width) + "x" +
                                                   std::to_string(input.height) +
                                                   " pixels is too long to be resized");
  }
  int64_t other = static_cast<int64_t>(scaled);
  return input.width <= input.height ? PictureSize{other, edge} : PictureSize{edge, other};
}

namespace {

/// After the resize, and after the crop.
struct Sizes {
  PictureSize resized;
  PictureSize output;
};

Sizes SizesOf(PictureSize size, const ResizePlan& plan) {
  CheckSize(size);
  if (plan.shortest_edge && (*plan.shortest_edge < 1 || *plan.shortest_edge > (1 << 20))) {
    throw Failure(ErrorCode::kInvalidArgument, "The shortest edge is out of range");
  }
  PictureSize resized = ResizedSize(size, plan);
  PictureSize output = plan.crop.value_or(resized);
  CheckSize(resized);
  CheckSize(output);
  if (output.height > kMaxOutputBytes / 3 / output.width) {
    throw Failure(ErrorCode::kInvalidArgument, "The resized picture would be too large");
  }
  return {resized, output};
}

}  // namespace

Span NeededColumns(PictureSize size, const ResizePlan& plan) {
  Sizes sizes = SizesOf(size, plan);
  CropSpan columns = CropAxis(sizes.resized.width, sizes.output.width);
  return SourceColumns(size.width, sizes.resized.width, plan.resample,
                       {columns.source, columns.length});
}

Picture Preprocess(const uint8_t* rgb, PictureSize size, Span held, const ResizePlan& plan) {
  auto [resized, output] = SizesOf(size, plan);
  Span needed = NeededColumns(size, plan);
  if (held.begin < 0 || held.length > size.width - held.begin || needed.begin < held.begin ||
      needed.begin + needed.length > held.begin + held.length) {
    throw Failure(ErrorCode::kInvalidArgument, "The columns are not those that are needed");
  }

  CropSpan rows = CropAxis(resized.height, output.height);
  CropSpan columns = CropAxis(resized.width, output.width);
  Picture picture{{}, output.height, output.width};
  picture.pixels.resize(static_cast<size_t>(output.height * output.width * 3));
  Window window{{rows.source, rows.length}, {columns.source, columns.length}};
  Target target{picture.pixels.data() + (rows.target * output.width + columns.target) * 3,
                output.width * 3};
  ResampleWindow(rgb, size, held, resized, plan.resample, window, target);
  return picture;
}

}  // namespace clip_blip
