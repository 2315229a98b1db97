#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace clip_blip {

/// Blocks of malloc that a call has freed, kept for the calls that follow it. malloc gives blocks
/// of this size back to the system at once, and getting them again costs a page fault for every 4
/// KiB: with four pictures of BLIP base that was a twentieth of the processor time of a call.
class BlockCache {
 public:
  /// Shorter blocks are malloc's business.
  static constexpr size_t kMinBlockBytes = 256 << 10;
  /// Bytes that are kept at most.
  static constexpr size_t kMaxBytes = 256 << 20;

  struct Block {
    void* memory = nullptr;
    size_t size = 0;
  };

  /// A kept block of `size` bytes or little more; without memory where there is none.
  Block Take(size_t size);

  /// false: the block stays the caller's.
  bool Keep(Block block);

  /// Gives all blocks back to malloc.
  void Clear();

  /// Bytes that are kept.
  int64_t size() const;

 private:
  mutable std::mutex mutex_;
  std::multimap<size_t, void*> blocks_;
  size_t kept_ = 0;
};

}  // namespace clip_blip
