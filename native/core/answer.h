#pragma once

#include <vector>

#include "types.h"

namespace clip_blip {

class LoadedModule;

/// Answers to questions about pictures, one prompt (the beginning of the answer) for each question.
/// The module has the methods encode_image, read_beside, project, decode and decode_masked and the
/// ints text_layers, text_heads and text_head_dim.
GenerationResult Answer(const LoadedModule& module, const PixelBatch& batch,
                        const TextsAboutPictures& questions, const std::vector<Prompt>& prompts,
                        const GenerationOptions& generation, const RunOptions& options);

}  // namespace clip_blip
