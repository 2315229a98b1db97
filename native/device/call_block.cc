#include "device/call_block.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "device/device_backend.h"

namespace clip_blip {
namespace {

/// LibTorch takes blocks of this size for tensors of up to half of it: below, one is enough as it
/// is (c10/core/AllocatorConfig.h, kLargeBuffer).
constexpr int64_t kMinBytes = 20 << 20;
/// Maximum number of known shapes.
constexpr size_t kMaxShapes = 256;
/// Index of the statistics of tensors above 1 MiB; the others share blocks of 2 MiB with weights.
constexpr auto kLarge = static_cast<size_t>(c10::CachingAllocator::StatType::LARGE_POOL);

constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);

c10::CachingDeviceAllocator::DeviceStats Stats(c10::Device device) {
  return c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
}

}  // namespace

void CallBlocks::Reserve(const CallShape& shape) {
  auto known = bytes_.find(shape);
  if (known != bytes_.end() && known->second >= kMinBytes) {
    auto stats = Stats(device_);
    DeviceBackend* backend = BackendOf(device_);
    int64_t held = backend == nullptr ? 0 : backend->HeldByGraphs(device_);
    int64_t cached =
        stats.reserved_bytes[kLarge].current - stats.allocated_bytes[kLarge].current - held;
    if (cached < known->second) {
      try {
        c10::GetAllocator(device_.type())->allocate(static_cast<size_t>(known->second));
      } catch (const c10::OutOfMemoryError&) {
        // It may still fit in pieces.
      }
    }
  }
  auto stats = Stats(device_);
  left_before_ = stats.allocated_bytes[kAll].current;
  allocated_ = stats.allocated_bytes[kLarge].current;
  reserved_ = stats.reserved_bytes[kLarge].current;
  // The block itself is no peak of the call.
  c10::getDeviceAllocator(device_.type())->resetPeakStats(device_.index());
}

void CallBlocks::Learn(const CallShape& shape) {
  auto stats = Stats(device_);
  // A call that leaves something behind, a workspace or a graph, is not what later ones will be;
  // nor are those before it.
  if (stats.allocated_bytes[kAll].current != left_before_) {
    bytes_.erase(shape);
    return;
  }
  if (bytes_.size() >= kMaxShapes && bytes_.count(shape) == 0) bytes_.clear();
  int64_t needed = stats.allocated_bytes[kLarge].peak - allocated_;
  int64_t& bytes = bytes_[shape];
  // Pieces do not fit into a block without gaps.
  int64_t missed = bytes >= kMinBytes ? stats.reserved_bytes[kLarge].peak - reserved_ : 0;
  // A call that has met its graph needs none.
  bytes = needed < kMinBytes && missed == 0 ? needed : std::max(needed, bytes + missed);
}

}  // namespace clip_blip
