// Compiled once for each level of instructions, under the name in CLIP_BLIP_KERNELS.

#include "image/resample_kernels.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace clip_blip {
namespace {

// Vectors of the compiler: it splits them where the machine's are shorter.
using Lanes = int32_t __attribute__((vector_size(32)));
using HalfLanes = int32_t __attribute__((vector_size(16)));
constexpr int kLanes = 8;
constexpr int kVectors = kGroupBytes / kLanes;

constexpr int32_t kHalf = 1 << (kFractionBits - 1);

inline Lanes LoadBytes(const uint8_t* from) {
#ifdef __AVX2__
  // Compilers make a long list of single bytes of the loop below.
  return reinterpret_cast<Lanes>(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
  Lanes lanes;
  for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = from[lane];
  return lanes;
#endif
}

inline Lanes LoadWeights(const int32_t* from) {
  Lanes weights;
  __builtin_memcpy(&weights, from, sizeof(weights));
  return weights;
}

inline uint8_t Round(int32_t sum) {
  int32_t value = sum >> kFractionBits;
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

inline HalfLanes Low(Lanes lanes) { return __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3); }
inline HalfLanes High(Lanes lanes) { return __builtin_shufflevector(lanes, lanes, 4, 5, 6, 7); }

/// The sums of the three channels in the first three lanes, from 24 lanes of the channels 0 1 2 0 …
inline HalfLanes SumChannels(const Lanes (&sums)[kVectors]) {
  HalfLanes a = Low(sums[0]) + High(sums[1]);  // channels 0 1 2 0
  HalfLanes b = High(sums[0]) + Low(sums[2]);  // channels 1 2 0 1
  HalfLanes c = Low(sums[1]) + High(sums[2]);  // channels 2 0 1 2
  HalfLanes fourth = {a[3], b[3], c[3], 0};
  return a + __builtin_shufflevector(b, b, 2, 0, 1, 3) + __builtin_shufflevector(c, c, 1, 2, 0, 3) +
         fourth;
}

/// Several rows share the loads of the weights, which are more than the first cache holds.
template <int kRows>
void ResampleRows(const uint8_t* rows, int64_t row_bytes, const RowTap* taps,
                  const int32_t* all_weights, int64_t weight_stride, int64_t outputs, uint8_t* out,
                  int64_t out_bytes) {
  for (int64_t i = 0; i < outputs; ++i) {
    const int32_t* weights = all_weights + i * weight_stride;
    const uint8_t* from = rows + taps[i].first_byte;
    Lanes sums[kRows][kVectors] = {};
    for (int64_t group = taps[i].groups; group > 0; --group) {
      for (int vector = 0; vector < kVectors; ++vector) {
        Lanes weight = LoadWeights(weights + vector * kLanes);
        for (int row = 0; row < kRows; ++row) {
          sums[row][vector] += LoadBytes(from + row * row_bytes + vector * kLanes) * weight;
        }
      }
      from += kGroupBytes;
      weights += kGroupBytes;
    }
    for (int row = 0; row < kRows; ++row) {
      HalfLanes sum = SumChannels(sums[row]) + kHalf;
      uint8_t* to = out + row * out_bytes + i * 3;
      for (int channel = 0; channel < 3; ++channel) to[channel] = Round(sum[channel]);
    }
  }
}

/// A strip of the row, whose sums stay in registers.
template <int kStripVectors>
inline void ResampleStrip(const uint8_t* rows, int64_t row_bytes, const int32_t* weights,
                          int64_t count, uint8_t* out) {
  Lanes sums[kStripVectors];
  for (Lanes& sum : sums) sum = Lanes{} + kHalf;
  for (int64_t k = 0; k < count; ++k, rows += row_bytes) {
    for (int vector = 0; vector < kStripVectors; ++vector) {
      sums[vector] += LoadBytes(rows + vector * kLanes) * weights[k];
    }
  }
  for (int vector = 0; vector < kStripVectors; ++vector) {
    for (int lane = 0; lane < kLanes; ++lane) *out++ = Round(sums[vector][lane]);
  }
}

void ResampleColumns(const uint8_t* rows, int64_t row_bytes, int64_t width, const int32_t* weights,
                     int64_t count, uint8_t* out) {
  constexpr int kStripVectors = 8;
  int64_t at = 0;
  for (; at + kStripVectors * kLanes <= width; at += kStripVectors * kLanes) {
    ResampleStrip<kStripVectors>(rows + at, row_bytes, weights, count, out + at);
  }
  for (; at + kLanes <= width; at += kLanes) {
    ResampleStrip<1>(rows + at, row_bytes, weights, count, out + at);
  }
  for (; at < width; ++at) {
    int32_t sum = kHalf;
    for (int64_t k = 0; k < count; ++k) sum += rows[k * row_bytes + at] * weights[k];
    out[at] = Round(sum);
  }
}

}  // namespace

extern const ResampleKernels CLIP_BLIP_KERNELS = {ResampleRows<1>, ResampleRows<kBlockRows>,
                                                  ResampleColumns};

}  // namespace clip_blip
