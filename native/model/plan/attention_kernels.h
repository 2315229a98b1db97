#pragma once

#include <cstdint>

namespace clip_blip {

// The inner loops of attention, compiled once for each level of instructions, as those of the
// resampling are (resample_kernels.h says why nothing of the standard library is in here).

/// Rows of one head, `count` of them; a row is contiguous, and the next one is `stride` elements
/// on.
template <typename T>
struct HeadRows {
  const T* data;
  int64_t stride;
  int64_t count;
};

struct AttentionKernels {
  /// One query after the other, without blocks: for few of them. bfloat16 comes as its bits.
  /// `scores` has room for key.count numbers; `out` rows are `out_stride` elements apart.
  void (*few_float)(HeadRows<float> query, HeadRows<float> key, HeadRows<float> value,
                    int64_t width, float scale, bool causal, float* scores, float* out,
                    int64_t out_stride);
  void (*few_bfloat16)(HeadRows<uint16_t> query, HeadRows<uint16_t> key, HeadRows<uint16_t> value,
                       int64_t width, float scale, bool causal, float* scores, uint16_t* out,
                       int64_t out_stride);

  /// Turns a row of scores into weights that sum to 1: softmax(scale * row[0 .. columns)); the
  /// rest, up to `padded`, becomes 0.
  void (*softmax)(float* row, int64_t columns, int64_t padded, float scale);

  void (*round_to_bfloat16)(const float* from, int64_t count, uint16_t* to);
  /// [count, width] -> [width, padded], padded columns 0.
  void (*transpose_float)(HeadRows<float> rows, int64_t width, int64_t padded, float* out);
  /// The same by pairs: [count, width / 2] pairs -> [width / 2, padded] pairs. The layout of the
  /// right side of a bfloat16 product.
  void (*transpose_pairs)(HeadRows<uint16_t> rows, int64_t width, int64_t padded, uint32_t* out);
  /// [count, width] -> [padded / 2, width] pairs of two rows that follow each other, padded rows 0.
  void (*pair_rows)(HeadRows<uint16_t> rows, int64_t width, int64_t padded, uint32_t* out);
};

extern const AttentionKernels kAttentionKernels;
#ifdef CLIP_BLIP_X86_KERNELS
extern const AttentionKernels kAttentionKernelsV3;
extern const AttentionKernels kAttentionKernelsV4;
#endif

}  // namespace clip_blip
