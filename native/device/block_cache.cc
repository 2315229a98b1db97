#include "device/block_cache.h"

#include <c10/core/impl/alloc_cpu.h>

#include <utility>

namespace clip_blip {

BlockCache::Block BlockCache::Take(size_t size) {
  if (size < kMinBlockBytes) return {};
  std::lock_guard lock(mutex_);
  auto found = blocks_.lower_bound(size);
  // A much longer one would be missed where it fits.
  if (found == blocks_.end() || found->first - size > size / 4) return {};
  Block block{found->second, found->first};
  blocks_.erase(found);
  kept_ -= block.size;
  return block;
}

bool BlockCache::Keep(Block block) {
#ifdef __SANITIZE_ADDRESS__
  return false;  // Kept, a block that is used after it was freed would not be seen.
#endif
  if (block.size < kMinBlockBytes) return false;
  std::lock_guard lock(mutex_);
  if (block.size > kMaxBytes - kept_) return false;
  blocks_.emplace(block.size, block.memory);
  kept_ += block.size;
  return true;
}

void BlockCache::Clear() {
  std::multimap<size_t, void*> blocks;
  {
    std::lock_guard lock(mutex_);
    blocks = std::exchange(blocks_, {});
    kept_ = 0;
  }
  for (const auto& [size, memory] : blocks) c10::free_cpu(memory);
}

int64_t BlockCache::size() const {
  std::lock_guard lock(mutex_);
  return static_cast<int64_t>(kept_);
}

}  // namespace clip_blip
