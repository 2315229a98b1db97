#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device/run_options.h"

namespace clip_blip {

/// A device in host memory whose allocator keeps freed blocks for reuse and runs out, as those of
/// accelerators do. It takes LibTorch's place for devices of third parties, as "testing:0", and
/// shows on a machine without a GPU what surrounds a call on one. No model runs on it.
void InstallCachingDevice(int64_t capacity);

/// From now on the device answers nothing any more, or answers again.
void BreakCachingDevice(bool broken);

/// What a call on the device does between taking its memory and giving it back.
struct CachingDeviceCall {
  /// Blocks that it takes, one after another, and holds to its end.
  std::vector<int64_t> blocks;
  CacheRelease release_cache = CacheRelease::kAfterCall;
  /// A kind of fault (faults.h) that it ends with; empty: it succeeds.
  std::string fault;
};

/// Runs a call as the operations do, waits for what is done behind its answer, and returns its
/// peak.
int64_t CallOnCachingDevice(const CachingDeviceCall& call);

/// How often the allocator was told to give its cache back.
int64_t CachesEmptied();

}  // namespace clip_blip
