#include "image/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "device/cpu_level.h"
#include "image/resample_kernels.h"

namespace clip_blip {
namespace {

constexpr int64_t kGroupPixels = kGroupBytes / 3;

double Sinc(double x) {
  if (x == 0) return 1;
  x *= M_PI;
  return std::sin(x) / x;
}

double Weigh(Resample filter, double x) {
  // The box is open on its left side, so that a pixel on the border of two counts once.
  if (filter == Resample::kBox) return x > -0.5 && x <= 0.5 ? 1 : 0;
  x = std::fabs(x);
  switch (filter) {
    case Resample::kBilinear:
      return x < 1 ? 1 - x : 0;
    case Resample::kHamming:
      return x < 1 ? Sinc(x) * (0.54 + 0.46 * std::cos(x * M_PI)) : 0;
    case Resample::kBicubic: {
      constexpr double a = -0.5;
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
      return 0;
    }
    case Resample::kLanczos:
      return x < 3 ? Sinc(x) * Sinc(x / 3) : 0;
    case Resample::kBox:
    case Resample::kNearest:
      break;
  }
  return 0;
}

double Support(Resample filter) {
  switch (filter) {
    case Resample::kBox:
      return 0.5;
    case Resample::kBilinear:
    case Resample::kHamming:
      return 1;
    case Resample::kBicubic:
      return 2;
    case Resample::kLanczos:
      return 3;
    case Resample::kNearest:
      break;
  }
  return 0;
}

/// Input pixels that an output pixel is made of.
struct Range {
  int64_t first;
  int64_t count;
};

/// How the pixels of one axis become others.
struct Axis {
  int64_t input;
  double scale;
  double stretch;
  double support;

  Axis(Resample filter, int64_t input, int64_t output)
      : input(input),
        scale(static_cast<double>(input) / static_cast<double>(output)),
        stretch(std::max(scale, 1.0)),
        support(Support(filter) * stretch) {}

  double CentreOf(int64_t output) const { return (static_cast<double>(output) + 0.5) * scale; }

  Range RangeOf(int64_t output) const {
    double centre = CentreOf(output);
    int64_t first = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    int64_t end = std::min(input, static_cast<int64_t>(centre + support + 0.5));
    return {first, end - first};
  }
};

/// For each output pixel of a span: the input pixels that it is made of, and their weights.
struct Taps {
  std::vector<Range> ranges;
  std::vector<int32_t> weights;
  int64_t stride = 0;  // weights from one output pixel to the next

  const int32_t* WeightsOf(int64_t output) const { return weights.data() + output * stride; }

  /// The input that all of the outputs together need.
  Span Needed() const {
    int64_t first = ranges.front().first;
    return {first, ranges.back().first + ranges.back().count - first};
  }

  /// Has the ranges count from an input pixel, and not from the first.
  void CountFrom(int64_t start) {
    for (Range& range : ranges) range.first -= start;
  }
};

Taps MakeTaps(Resample filter, int64_t input, int64_t output, Span span) {
  Axis axis(filter, input, output);
  Taps taps;
  taps.stride = static_cast<int64_t>(std::ceil(axis.support)) * 2 + 1;
  taps.ranges.resize(static_cast<size_t>(span.length));
  taps.weights.assign(static_cast<size_t>(span.length * taps.stride), 0);
  std::vector<double> exact(static_cast<size_t>(taps.stride));
  for (int64_t i = 0; i < span.length; ++i) {
    double centre = axis.CentreOf(span.begin + i);
    auto [first, count] = axis.RangeOf(span.begin + i);
    double sum = 0;
    for (int64_t k = 0; k < count; ++k) {
      double distance = static_cast<double>(k + first) - centre + 0.5;
      exact[static_cast<size_t>(k)] = Weigh(filter, distance * (1.0 / axis.stretch));
      sum += exact[static_cast<size_t>(k)];
    }
    int32_t* weights = taps.weights.data() + i * taps.stride;
    for (int64_t k = 0; k < count; ++k) {
      double weight = exact[static_cast<size_t>(k)];
      if (sum != 0) weight /= sum;
      weight *= 1 << kFractionBits;
      weights[k] = static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    taps.ranges[static_cast<size_t>(i)] = {first, count};
  }
  return taps;
}

/// Weights of the horizontal loop: each repeated for the three channels, padded with zeros to whole
/// groups.
struct RowTaps {
  std::vector<RowTap> taps;
  std::vector<int32_t> weights;
  int64_t stride = 0;    // weights from one output pixel to the next
  int64_t end_byte = 0;  // the furthest byte that a group touches, from the row's start
};

RowTaps SpreadTaps(const Taps& taps) {
  RowTaps spread;
  spread.stride = (taps.stride + kGroupPixels - 1) / kGroupPixels * kGroupBytes;
  spread.weights.assign(taps.ranges.size() * static_cast<size_t>(spread.stride), 0);
  for (size_t i = 0; i < taps.ranges.size(); ++i) {
    Range range = taps.ranges[i];
    int64_t groups = (range.count + kGroupPixels - 1) / kGroupPixels;
    spread.taps.push_back({range.first * 3, groups});
    spread.end_byte = std::max(spread.end_byte, range.first * 3 + groups * kGroupBytes);
    int32_t* to = spread.weights.data() + static_cast<int64_t>(i) * spread.stride;
    const int32_t* from = taps.WeightsOf(static_cast<int64_t>(i));
    for (int64_t k = 0; k < range.count; ++k) std::fill_n(to + 3 * k, 3, from[k]);
  }
  return spread;
}

const ResampleKernels& Kernels() {
#ifdef CLIP_BLIP_X86_KERNELS
  static const ResampleKernels& best =
      BestKernels(kResampleKernelsV4, kResampleKernelsV3, kResampleKernels);
  return best;
#else
  return kResampleKernels;
#endif
}

/// The source pixel of each output pixel. Pillow adds up the step instead of multiplying it, and
/// the rounding of the sum decides between neighbours.
std::vector<int64_t> NearestSources(int64_t input, int64_t output, Span span) {
  double step = static_cast<double>(input) / static_cast<double>(output);
  double at = step * 0.5;
  for (int64_t i = 0; i < span.begin; ++i) at += step;
  std::vector<int64_t> sources(static_cast<size_t>(span.length));
  for (int64_t& source : sources) {
    source = std::min(static_cast<int64_t>(at), input - 1);
    at += step;
  }
  return sources;
}

void ResampleNearest(const uint8_t* rgb, PictureSize size, Span held, PictureSize resized,
                     const Window& window, const Target& target) {
  std::vector<int64_t> rows = NearestSources(size.height, resized.height, window.rows);
  std::vector<int64_t> columns = NearestSources(size.width, resized.width, window.columns);
  for (size_t y = 0; y < rows.size(); ++y) {
    const uint8_t* from = rgb + (rows[y] * held.length - held.begin) * 3;
    uint8_t* to = target.data + static_cast<int64_t>(y) * target.stride;
    for (int64_t column : columns) {
      std::memcpy(to, from + column * 3, 3);
      to += 3;
    }
  }
}

/// A rectangle of interleaved RGB inside of a larger one.
struct View {
  const uint8_t* data;
  int64_t stride;
  int64_t rows;
  int64_t columns;

  View Rows(Span span) const { return {data + span.begin * stride, stride, span.length, columns}; }
  View Columns(Span span) const { return {data + span.begin * 3, stride, rows, span.length}; }
};

/// The picture between two passes.
class Intermediate {
 public:
  Intermediate(int64_t rows, int64_t columns)
      : rows_(rows), columns_(columns), bytes_(static_cast<size_t>(rows * columns * 3)) {}

  Target AsTarget() { return {bytes_.data(), columns_ * 3}; }
  View AsView() const { return {bytes_.data(), columns_ * 3, rows_, columns_}; }

 private:
  int64_t rows_;
  int64_t columns_;
  std::vector<uint8_t> bytes_;
};

void Copy(const View& from, const Target& target) {
  for (int64_t y = 0; y < from.rows; ++y) {
    std::memcpy(target.data + y * target.stride, from.data + y * from.stride,
                static_cast<size_t>(from.columns * 3));
  }
}

void HorizontalPass(const View& from, const RowTaps& taps, const Target& target) {
  int64_t outputs = static_cast<int64_t>(taps.taps.size());
  auto resample = [&](auto kernel, const uint8_t* rows, int64_t y) {
    kernel(rows, from.stride, taps.taps.data(), taps.weights.data(), taps.stride, outputs,
           target.data + y * target.stride, target.stride);
  };
  // Groups may reach over the end of a row, with weights of zero: into the next row, or, in the
  // last rows, into a padded copy.
  const uint8_t* end = from.data + (from.rows - 1) * from.stride + from.columns * 3;
  auto reachable = [&](int64_t y) {
    return y < from.rows && end - (from.data + y * from.stride) >= taps.end_byte;
  };
  int64_t y = 0;
  for (; reachable(y + kBlockRows - 1); y += kBlockRows) {
    resample(Kernels().row_block, from.data + y * from.stride, y);
  }
  for (; reachable(y); ++y) resample(Kernels().row, from.data + y * from.stride, y);
  std::vector<uint8_t> padded(static_cast<size_t>(std::max(taps.end_byte, from.columns * 3)));
  for (; y < from.rows; ++y) {
    std::memcpy(padded.data(), from.data + y * from.stride, static_cast<size_t>(from.columns * 3));
    resample(Kernels().row, padded.data(), y);
  }
}

void VerticalPass(const View& from, const Taps& taps, const Target& target) {
  for (size_t i = 0; i < taps.ranges.size(); ++i) {
    int64_t y = static_cast<int64_t>(i);
    Kernels().columns(from.data + taps.ranges[i].first * from.stride, from.stride, from.columns * 3,
                      taps.WeightsOf(y), taps.ranges[i].count, target.data + y * target.stride);
  }
}

/// Which pass Pillow does first matters, since it rounds between them. Up to Pillow 12 it was
/// always the horizontal one; Pillow 13 does the vertical one first where the height shrinks much
/// more.
bool VerticalFirst(PictureSize size, PictureSize resized) {
  return resized.height < size.height &&
         size.height - resized.height > 2 * (size.width - resized.width);
}

}  // namespace

Span SourceColumns(int64_t width, int64_t resized_width, Resample filter, Span columns) {
  if (width == resized_width) return columns;
  if (filter == Resample::kNearest) {
    std::vector<int64_t> sources = NearestSources(width, resized_width, columns);
    return {sources.front(), sources.back() + 1 - sources.front()};
  }
  Axis axis(filter, width, resized_width);
  Range last = axis.RangeOf(columns.begin + columns.length - 1);
  int64_t begin = axis.RangeOf(columns.begin).first;
  return {begin, last.first + last.count - begin};
}

void ResampleWindow(const uint8_t* rgb, PictureSize size, Span held, PictureSize resized,
                    Resample filter, const Window& window, const Target& target) {
  View part{rgb, held.length * 3, size.height, held.length};
  bool horizontal = size.width != resized.width;
  bool vertical = size.height != resized.height;
  Span columns{window.columns.begin - held.begin, window.columns.length};
  if (!horizontal && !vertical) return Copy(part.Rows(window.rows).Columns(columns), target);
  if (filter == Resample::kNearest) {
    return ResampleNearest(rgb, size, held, resized, window, target);
  }

  if (!horizontal) {
    Taps taps = MakeTaps(filter, size.height, resized.height, window.rows);
    return VerticalPass(part.Columns(columns), taps, target);
  }
  Taps column_taps = MakeTaps(filter, size.width, resized.width, window.columns);
  column_taps.CountFrom(held.begin);
  if (!vertical) return HorizontalPass(part.Rows(window.rows), SpreadTaps(column_taps), target);

  // The first pass makes what the second one reads, and no more.
  Taps row_taps = MakeTaps(filter, size.height, resized.height, window.rows);
  if (VerticalFirst(size, resized)) {
    Span needed = column_taps.Needed();
    column_taps.CountFrom(needed.begin);
    Intermediate between(window.rows.length, needed.length);
    VerticalPass(part.Columns(needed), row_taps, between.AsTarget());
    HorizontalPass(between.AsView(), SpreadTaps(column_taps), target);
  } else {
    Span needed = row_taps.Needed();
    row_taps.CountFrom(needed.begin);
    Intermediate between(needed.length, window.columns.length);
    HorizontalPass(part.Rows(needed), SpreadTaps(column_taps), between.AsTarget());
    VerticalPass(between.AsView(), row_taps, target);
  }
}

}  // namespace clip_blip
