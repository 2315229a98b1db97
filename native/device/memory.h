#pragma once

#include <c10/core/Device.h>

#include <atomic>
#include <cstdint>
#include <optional>

namespace clip_blip {

/// Bytes, as in lib/native/types.ts.
struct DeviceMemory {
  int64_t allocated = 0;
  int64_t reserved = 0;
  int64_t peak = 0;
  int64_t held_by_graphs = 0;
  std::optional<int64_t> free;
  std::optional<int64_t> total;
};

/// Replaces LibTorch's CPU allocator with one that counts. Once, before the first tensor.
void InstallCountingAllocator();

/// Counts what the calling thread allocates on a device while the scope lives, and enforces a
/// limit: going over it throws c10::OutOfMemoryError. An accelerator's allocator is held to it from
/// then on, until the next scope.
class MemoryScope {
 public:
  explicit MemoryScope(c10::Device device, std::optional<int64_t> limit = std::nullopt);
  ~MemoryScope();
  MemoryScope(const MemoryScope&) = delete;
  MemoryScope& operator=(const MemoryScope&) = delete;

  /// The most bytes held at once since the scope began, above what was held then.
  int64_t PeakBytes() const;
  /// The same for the calling thread's innermost scope; 0 if there is none.
  static int64_t PeakBytesSoFar();

  /// From here on the longer blocks that the scope frees on the CPU are kept for later scopes, up
  /// to BlockCache::kMaxBytes, until EmptyCache() gives them back.
  void KeepFreedBlocks() { keeps_blocks_ = true; }

 private:
  friend class CountingAllocator;

  c10::Device device_;
  std::optional<int64_t> limit_;
  uint64_t id_;
  MemoryScope* outer_;
  int64_t current_ = 0;
  int64_t peak_ = 0;
  int64_t device_start_ = 0;
  bool keeps_blocks_ = false;
};

DeviceMemory MemoryOf(c10::Device device);
void ResetPeak(c10::Device device);
void EmptyCache(c10::Device device);

/// Frees what LibTorch keeps for an accelerator between calls besides the models: the workspaces of
/// cuBLAS, 8 to 32 MiB each, and unused pinned memory. The next call makes them again. Only for the
/// device's thread.
void ReleaseWorkspaces(c10::Device device);

}  // namespace clip_blip
