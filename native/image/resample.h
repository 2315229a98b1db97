#pragma once

#include <cstdint>

#include "image/picture.h"

namespace clip_blip {

/// A part of the resized picture.
struct Window {
  Span rows;
  Span columns;
};

/// Where the first pixel of the window goes, and the bytes from one row to the next.
struct Target {
  uint8_t* data = nullptr;
  int64_t stride = 0;
};

/// The columns of a picture that some columns of the resized one are made of.
Span SourceColumns(int64_t width, int64_t resized_width, Resample filter, Span columns);

/// Computes the pixels of a window of the picture that Image.resize of Pillow 13 would make of
/// a picture, bit for bit: two passes, rounded to 8 bits between them. `rgb` has the columns `held`
/// of each row.
void ResampleWindow(const uint8_t* rgb, PictureSize size, Span held, PictureSize resized,
                    Resample filter, const Window& window, const Target& target);

}  // namespace clip_blip
