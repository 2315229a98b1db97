#pragma once

#include <optional>
#include <string>

namespace clip_blip {

/// Where a module goes, as in lib/native/types.ts.
struct Placement {
  std::string device;
  std::optional<std::string> dtype;
  bool prepare = false;
};

}  // namespace clip_blip
