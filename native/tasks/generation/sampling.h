#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "tasks/generation/settings.h"

namespace clip_blip {

/// Temperature, then top-k, then top-p, as in transformers: changes the scores [texts, vocabulary]
/// in place, and leaves at least `least` tokens to each text.
void WarpScores(at::Tensor& scores, const GenerationSettings& options, int64_t least);

/// Numbers from 0 to below 1, `draws` for each place of a text: [P, positions, draws], float32.
/// What a picture gets depends on its seed alone, not on the others that share its batch nor on the
/// device.
at::Tensor UniformNumbers(const std::vector<Prompt>& prompts, int64_t positions, int64_t draws,
                          c10::Device device);

/// One index for each row of `weights` [rows, n], drawn in proportion to them with the row's number
/// `uniform` [rows, 1]: [rows, 1]. A row without any weight gives its last index.
at::Tensor DrawIndex(const at::Tensor& weights, const at::Tensor& uniform);

}  // namespace clip_blip
