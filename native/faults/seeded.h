#pragma once

#include <string>

namespace clip_blip {

/// Makes a mistake of a kind that a sanitizer has to see: "use-after-free", "overflow" (one byte
/// behind a tensor), "undefined" (a number that is too large for its type), "leak", "leaked-tensor"
/// (memory that LibTorch allocated for us). Only in the build with sanitizers.
void MakeMistake(const std::string& kind);

}  // namespace clip_blip
