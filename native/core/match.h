#pragma once

#include "types.h"

namespace clip_blip {

class LoadedModule;

/// How well texts describe pictures: for each text the probability that it does, and the cosine of
/// the two in the common space. The module has the methods encode_image, match, embed_pictures and
/// embed_texts.
MatchResult Match(const LoadedModule& module, const PixelBatch& batch,
                  const TextsAboutPictures& about, const RunOptions& options);

}  // namespace clip_blip
