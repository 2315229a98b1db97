#pragma once

#include <cstdint>

#include "image/picture.h"

namespace clip_blip {

/// The size after the resize, before the crop, as transformers' get_resize_output_image_size.
PictureSize ResizedSize(PictureSize input, const ResizePlan& plan);

/// The columns of a picture that its result is made of.
Span NeededColumns(PictureSize size, const ResizePlan& plan);

/// Resize and centre crop of interleaved 8-bit RGB: Pillow's bytes, transformers' geometry.
/// Only the pixels that the crop keeps are computed. `rgb` has the columns `held` of each row,
/// which the needed ones have to be among.
Picture Preprocess(const uint8_t* rgb, PictureSize size, Span held, const ResizePlan& plan);

}  // namespace clip_blip
