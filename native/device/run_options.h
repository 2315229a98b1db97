#pragma once

#include <cstdint>
#include <optional>

namespace clip_blip {

// As in lib/native/types.ts, where each field is explained.

/// When a device's allocator returns the memory that it keeps to the driver.
enum class CacheRelease { kAfterCall, kWhenIdle, kOnOutOfMemory };

struct RunOptions {
  std::optional<int64_t> memory_limit;
  CacheRelease release_cache = CacheRelease::kAfterCall;
  /// Whether the call may be recorded and run as a graph. The memory of such a call belongs to the
  /// graphs and is not part of its peak, so this is false where the peak is to be measured.
  bool record = true;
};

}  // namespace clip_blip
