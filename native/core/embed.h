#pragma once

#include <cstdint>
#include <vector>

#include "types.h"

namespace clip_blip {

class LoadedModule;

EmbeddingResult EncodeImages(const LoadedModule& module, const PixelBatch& batch, bool l2_normalize,
                             const RunOptions& options);

/// `ids` is row-major [rows, ids.size() / rows].
EmbeddingResult EncodeTexts(const LoadedModule& module, const std::vector<int32_t>& ids,
                            int64_t rows, bool l2_normalize, const RunOptions& options);

}  // namespace clip_blip
