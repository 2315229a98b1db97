#pragma once

#include <cstdint>

namespace clip_blip {

// The inner loops of the resampling, compiled once for each level of instructions. The file that
// defines them includes nothing of the standard library: an inline function compiled for a newer
// CPU could be the copy that the linker keeps for all.

/// Pillow keeps weights as integers with this many fractional bits.
constexpr int kFractionBits = 32 - 8 - 2;

/// The horizontal loop takes 8 pixels at a time: a whole number of pixels and of vectors.
constexpr int64_t kGroupBytes = 24;

/// Rows that row_block does at once.
constexpr int kBlockRows = 4;

/// Where the input of an output pixel begins in its row, and how many groups it takes.
struct RowTap {
  int64_t first_byte;
  int64_t groups;
};

struct ResampleKernels {
  /// `outputs` pixels of one row, or of a block of rows, from their taps and weights.
  using Row = void (*)(const uint8_t* rows, int64_t row_bytes, const RowTap* taps,
                       const int32_t* weights, int64_t weight_stride, int64_t outputs, uint8_t* out,
                       int64_t out_bytes);
  Row row;
  Row row_block;
  /// `width` bytes as the weighted sum of `count` rows that follow each other.
  void (*columns)(const uint8_t* rows, int64_t row_bytes, int64_t width, const int32_t* weights,
                  int64_t count, uint8_t* out);
};

extern const ResampleKernels kResampleKernels;
#ifdef CLIP_BLIP_X86_KERNELS
extern const ResampleKernels kResampleKernelsV3;
extern const ResampleKernels kResampleKernelsV4;
#endif

}  // namespace clip_blip
