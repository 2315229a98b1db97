#pragma once

#include "device/device_call.h"
#include "model/loaded_module.h"

namespace clip_blip {

/// CallOnDevice with what a module keeps for its calls: its graphs, the block of memory that a call
/// of this shape needs, and the place where pictures arrive ahead.
template <typename Work>
int64_t CallModule(const LoadedModule& module, const CallShape& shape, const RunOptions& options,
                   Work&& work) {
  CallBlocks* blocks = module.blocks();
  PixelStage* stage = module.pixel_stage();
  bool kept = options.release_cache == CacheRelease::kOnOutOfMemory;
  try {
    return CallOnDevice(module.device(), options, [&] {
      GraphCache::Pause pause(options.record ? nullptr : &module.graphs());
      if (blocks != nullptr) blocks->Reserve(shape);
      work();
      if (blocks != nullptr) blocks->Learn(shape);
      if (stage != nullptr) stage->EndCall(kept);
    });
  } catch (const Failure& failure) {
    if (failure.code() == ErrorCode::kOutOfMemory && stage != nullptr) stage->Release();
    throw;
  }
}

}  // namespace clip_blip
