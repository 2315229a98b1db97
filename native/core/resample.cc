#include "resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "resample_kernels.h"

namespace clip_blip {
namespace {

constexpr int64_t kGroupPixels = kGroupBytes / 3;

double Sinc(double x) {
  if (x == 0) return 1;
  x *= M_PI;
  return std::sin(x) / x;
}

double Weigh(Resample filter, double x) {
  x = std::fabs(x);
  switch (filter) {
    case Resample::kBilinear:
      return x < 1 ? 1 - x : 0;
    case Resample::kBicubic: {
      constexpr double a = -0.5;
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
      return 0;
    }
    case Resample::kLanczos:
      return x < 3 ? Sinc(x) * Sinc(x / 3) : 0;
    case Resample::kNearest:
      break;
  }
  return 0;
}

double Support(Resample filter) {
  switch (filter) {
    case Resample::kBilinear:
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

/// For each output pixel of a span: the input pixels that it is made of, and their weights.
struct Taps {
  struct Range {
    int64_t first;
    int64_t count;
  };
  std::vector<Range> ranges;
  std::vector<int32_t> weights;
  int64_t stride = 0;  // weights from one output pixel to the next

  const int32_t* WeightsOf(int64_t output) const { return weights.data() + output * stride; }
  int64_t First() const { return ranges.front().first; }
  int64_t End() const { return ranges.back().first + ranges.back().count; }
};

Taps MakeTaps(Resample filter, int64_t input, int64_t output, Span span) {
  double scale = static_cast<double>(input) / static_cast<double>(output);
  double stretch = std::max(scale, 1.0);
  double support = Support(filter) * stretch;

  Taps taps;
  taps.stride = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.ranges.resize(static_cast<size_t>(span.length));
  taps.weights.assign(static_cast<size_t>(span.length * taps.stride), 0);
  std::vector<double> exact(static_cast<size_t>(taps.stride));
  for (int64_t i = 0; i < span.length; ++i) {
    double centre = (static_cast<double>(span.begin + i) + 0.5) * scale;
    int64_t first = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    int64_t end = std::min(input, static_cast<int64_t>(centre + support + 0.5));
    int64_t count = end - first;
    double sum = 0;
    for (int64_t k = 0; k < count; ++k) {
      double distance = static_cast<double>(k + first) - centre + 0.5;
      exact[static_cast<size_t>(k)] = Weigh(filter, distance * (1.0 / stretch));
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
    Taps::Range range = taps.ranges[i];
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
  static const ResampleKernels& best = [&]() -> const ResampleKernels& {
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
    return v4 ? kResampleKernelsV4 : v3 ? kResampleKernelsV3 : kResampleKernels;
  }();
  return best;
#else
  return kResampleKernels;
#endif
}

/// The source pixel of each output pixel. Pillow adds up the step instead of multiplying it, and the
/// rounding of the sum decides between neighbours.
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

void ResampleNearest(const uint8_t* rgb, PictureSize size, PictureSize resized,
                     const Window& window, const Target& target) {
  std::vector<int64_t> rows = NearestSources(size.height, resized.height, window.rows);
  std::vector<int64_t> columns = NearestSources(size.width, resized.width, window.columns);
  for (size_t y = 0; y < rows.size(); ++y) {
    const uint8_t* from = rgb + rows[y] * size.width * 3;
    uint8_t* to = target.data + static_cast<int64_t>(y) * target.stride;
    for (int64_t column : columns) {
      std::memcpy(to, from + column * 3, 3);
      to += 3;
    }
  }
}

void CopyWindow(const uint8_t* rgb, PictureSize size, const Window& window, const Target& target) {
  for (int64_t y = 0; y < window.rows.length; ++y) {
    std::memcpy(target.data + y * target.stride,
                rgb + ((window.rows.begin + y) * size.width + window.columns.begin) * 3,
                static_cast<size_t>(window.columns.length * 3));
  }
}

/// The horizontal pass over the rows [first, end) of the input.
std::vector<uint8_t> ResampleRows(const uint8_t* rgb, PictureSize size, const RowTaps& taps,
                                  int64_t first, int64_t end) {
  int64_t row_bytes = size.width * 3;
  int64_t outputs = static_cast<int64_t>(taps.taps.size());
  int64_t out_bytes = outputs * 3;
  std::vector<uint8_t> out(static_cast<size_t>((end - first) * out_bytes));
  auto resample = [&](auto kernel, const uint8_t* from, int64_t to_row) {
    kernel(from, row_bytes, taps.taps.data(), taps.weights.data(), taps.stride, outputs,
           out.data() + to_row * out_bytes, out_bytes);
  };
  // Groups may reach over the end of a row, with weights of zero: into the next row, or, in the last
  // rows, into a padded copy.
  const uint8_t* picture_end = rgb + size.height * row_bytes;
  auto reachable = [&](int64_t y) {
    return y < end && picture_end - (rgb + y * row_bytes) >= taps.end_byte;
  };
  int64_t y = first;
  for (; reachable(y + kBlockRows - 1); y += kBlockRows) {
    resample(Kernels().row_block, rgb + y * row_bytes, y - first);
  }
  for (; reachable(y); ++y) resample(Kernels().row, rgb + y * row_bytes, y - first);
  std::vector<uint8_t> padded(static_cast<size_t>(std::max(taps.end_byte, row_bytes)));
  for (; y < end; ++y) {
    std::memcpy(padded.data(), rgb + y * row_bytes, static_cast<size_t>(row_bytes));
    resample(Kernels().row, padded.data(), y - first);
  }
  return out;
}

}  // namespace

void ResampleWindow(const uint8_t* rgb, PictureSize size, PictureSize resized, Resample filter,
                    const Window& window, const Target& target) {
  bool horizontal = size.width != resized.width;
  bool vertical = size.height != resized.height;
  if (!horizontal && !vertical) return CopyWindow(rgb, size, window, target);
  if (filter == Resample::kNearest) return ResampleNearest(rgb, size, resized, window, target);

  Taps column_taps;
  int64_t first = window.rows.begin;
  int64_t end = window.rows.begin + window.rows.length;
  if (vertical) {
    column_taps = MakeTaps(filter, size.height, resized.height, window.rows);
    first = column_taps.First();
    end = column_taps.End();
  }

  // The rows that the vertical pass needs, cut to the window's columns.
  int64_t row_bytes = window.columns.length * 3;
  std::vector<uint8_t> rows;
  if (horizontal) {
    RowTaps row_taps = SpreadTaps(MakeTaps(filter, size.width, resized.width, window.columns));
    rows = ResampleRows(rgb, size, row_taps, first, end);
  } else {
    rows.resize(static_cast<size_t>((end - first) * row_bytes));
    CopyWindow(rgb, size, {{first, end - first}, window.columns}, {rows.data(), row_bytes});
  }

  for (int64_t y = 0; y < window.rows.length; ++y) {
    uint8_t* to = target.data + y * target.stride;
    if (!vertical) {
      std::memcpy(to, rows.data() + y * row_bytes, static_cast<size_t>(row_bytes));
      continue;
    }
    Taps::Range range = column_taps.ranges[static_cast<size_t>(y)];
    Kernels().columns(rows.data() + (range.first - first) * row_bytes, row_bytes,
                      column_taps.WeightsOf(y), range.count, to);
  }
}

}  // namespace clip_blip
