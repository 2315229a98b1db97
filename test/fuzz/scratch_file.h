#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

namespace clip_blip::fuzz {

/// A path that is this process' own, in the system's folder for such files.
inline std::string ScratchFile() {
  return std::filesystem::temp_directory_path() / ("clip-blip-fuzz-" + std::to_string(getpid()));
}

}  // namespace clip_blip::fuzz
