#pragma once

#include <cstdint>

#include "preprocess.h"

namespace clip_blip {

/// A range of pixels along one axis of the resized picture.
struct Span {
  int64_t begin = 0;
  int64_t length = 0;
};

struct Window {
  Span rows;
  Span columns;
};

/// Where the first pixel of the window goes, and the bytes from one row to the next.
struct Target {
  uint8_t* data = nullptr;
  int64_t stride = 0;
};

/// Computes the pixels of a window of the picture that Image.resize of Pillow 13 would make of
/// `rgb`, bit for bit: two passes, rounded to 8 bits between them.
void ResampleWindow(const uint8_t* rgb, PictureSize size, PictureSize resized, Resample filter,
                    const Window& window, const Target& target);

}  // namespace clip_blip
