#pragma once

#include <vector>

#include "types.h"

namespace clip_blip {

class LoadedModule;

/// Captions, one prompt per picture. The module has the methods encode_image, project and decode
/// and the ints text_layers, text_heads and text_head_dim.
GenerationResult Caption(const LoadedModule& module, const PixelBatch& batch,
                         const std::vector<Prompt>& prompts, const GenerationOptions& generation,
                         const RunOptions& options);

}  // namespace clip_blip
