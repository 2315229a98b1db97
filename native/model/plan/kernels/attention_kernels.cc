// Compiled once for each level of instructions, under the name in CLIP_BLIP_ATTENTION_KERNELS, and
// with the leave to reorder sums (-ffast-math): the loops below are written for the compiler to
// vectorise.

#include "model/plan/attention_kernels.h"

#include <math.h>

namespace clip_blip {
namespace {

inline float Widen(float value) { return value; }

inline float Widen(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, sizeof(value));
  return value;
}

/// Round to nearest, ties to even. NaN keeps a bit of its own, which rounding could carry away.
inline uint16_t ToBFloat16(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<uint16_t>(nan ? (bits >> 16) | 0x40u : rounded);
}

inline void Narrow(float value, float* out) { *out = value; }
inline void Narrow(float value, uint16_t* out) { *out = ToBFloat16(value); }

void Softmax(float* row, int64_t columns, int64_t padded, float scale) {
  float highest = row[0];
  for (int64_t i = 1; i < columns; ++i) highest = row[i] > highest ? row[i] : highest;
  float sum = 0;
  for (int64_t i = 0; i < columns; ++i) {
    row[i] = expf(scale * (row[i] - highest));
    sum += row[i];
  }
  float share = 1.0f / sum;
  for (int64_t i = 0; i < columns; ++i) row[i] *= share;
  for (int64_t i = columns; i < padded; ++i) row[i] = 0;
}

constexpr int64_t kMaxHeadWidth = 256;

template <typename T>
void Few(HeadRows<T> query, HeadRows<T> key, HeadRows<T> value, int64_t width, float scale,
         bool causal, float* scores, T* out, int64_t out_stride) {
  float row[kMaxHeadWidth];
  for (int64_t q = 0; q < query.count; ++q) {
    int64_t seen = causal && q + 1 < key.count ? q + 1 : key.count;
    const T* from = query.data + q * query.stride;
    for (int64_t d = 0; d < width; ++d) row[d] = Widen(from[d]);
    for (int64_t k = 0; k < seen; ++k) {
      const T* other = key.data + k * key.stride;
      float sum = 0;
      for (int64_t d = 0; d < width; ++d) sum += row[d] * Widen(other[d]);
      scores[k] = sum;
    }
    Softmax(scores, seen, seen, scale);
    for (int64_t d = 0; d < width; ++d) row[d] = 0;
    for (int64_t k = 0; k < seen; ++k) {
      const T* other = value.data + k * value.stride;
      float weight = scores[k];
      for (int64_t d = 0; d < width; ++d) row[d] += weight * Widen(other[d]);
    }
    T* to = out + q * out_stride;
    for (int64_t d = 0; d < width; ++d) Narrow(row[d], to + d);
  }
}

void RoundToBFloat16(const float* from, int64_t count, uint16_t* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = ToBFloat16(from[i]);
}

void TransposeFloat(HeadRows<float> rows, int64_t width, int64_t padded, float* out) {
  for (int64_t d = 0; d < width; ++d) {
    float* to = out + d * padded;
    const float* from = rows.data + d;
    for (int64_t k = 0; k < rows.count; ++k) to[k] = from[k * rows.stride];
    for (int64_t k = rows.count; k < padded; ++k) to[k] = 0;
  }
}

void TransposePairs(HeadRows<uint16_t> rows, int64_t width, int64_t padded, uint32_t* out) {
  for (int64_t d = 0; d < width / 2; ++d) {
    uint32_t* to = out + d * padded;
    const uint16_t* from = rows.data + 2 * d;
    for (int64_t k = 0; k < rows.count; ++k) {
      __builtin_memcpy(to + k, from + k * rows.stride, sizeof(uint32_t));
    }
    for (int64_t k = rows.count; k < padded; ++k) to[k] = 0;
  }
}

void PairRows(HeadRows<uint16_t> rows, int64_t width, int64_t padded, uint32_t* out) {
  for (int64_t k = 0; k < padded; k += 2) {
    const uint16_t* first = rows.data + k * rows.stride;
    uint32_t* to = out + k / 2 * width;
    if (k + 1 < rows.count) {
      const uint16_t* second = first + rows.stride;
      for (int64_t d = 0; d < width; ++d) {
        to[d] = first[d] | static_cast<uint32_t>(second[d]) << 16;
      }
    } else {
      for (int64_t d = 0; d < width; ++d) to[d] = k < rows.count ? first[d] : 0;
    }
  }
}

}  // namespace

extern const AttentionKernels CLIP_BLIP_ATTENTION_KERNELS = {
    Few<float>, Few<uint16_t>, Softmax, RoundToBFloat16, TransposeFloat, TransposePairs, PairRows,
};

}  // namespace clip_blip
