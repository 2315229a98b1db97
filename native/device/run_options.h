#pragma once

#include <cstdint>
#include <optional>

namespace clip_blip {

// As in lib/native/types.ts, where each field is explained.

/// When the cache of a device's allocator goes back to the driver.
enum class CacheRelease { kAfterCall, kWhenIdle, kOnOutOfMemory };

struct RunOptions {
  std::optional<int64_t> memory_limit;
  CacheRelease release_cache = CacheRelease::kAfterCall;
  /// Whether the call may be recorded, and started as a graph. What such a call holds lies in the
  /// graphs' own memory and is not in its peak: where the peak is what is asked for, this is false.
  bool record = true;
};

}  // namespace clip_blip
