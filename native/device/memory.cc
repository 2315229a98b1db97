#include "device/memory.h"

#include <ATen/Context.h>
#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/alignment.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <string>

#include "device/block_cache.h"
#include "device/device_backend.h"

namespace clip_blip {
namespace {

// Process-wide, of the blocks that were made inside a scope.
std::atomic<int64_t> cpu_allocated{0};
std::atomic<int64_t> cpu_peak{0};

/// What calls have freed. Leaked: blocks are freed until the last moment of the process.
BlockCache& KeptBlocks() {
  static auto* blocks = new BlockCache();
  return *blocks;
}

std::atomic<uint64_t> next_scope_id{1};
thread_local MemoryScope* innermost_scope = nullptr;

// A scope resets the device allocator's peak at its start, so the peak since ResetPeak is kept
// here.
constexpr size_t kMaxDevices = 128;
std::array<std::atomic<int64_t>, kMaxDevices> device_peaks{};

void Raise(std::atomic<int64_t>& peak, int64_t value) {
  int64_t seen = peak.load(std::memory_order_relaxed);
  while (value > seen && !peak.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

// Lies before each block's data; as long as the alignment, so that the data keeps it.
struct alignas(c10::gAlignment) Header {
  size_t size;
  size_t block_size;  // of the whole block, this header included
  uint64_t scope_id;  // 0: made outside of any scope, not counted
};
static_assert(sizeof(Header) == c10::gAlignment);

c10::DeviceAllocator* AllocatorOf(c10::Device device) {
  return c10::getDeviceAllocator(device.type());
}

std::atomic<int64_t>& DevicePeak(c10::Device device) {
  return device_peaks[static_cast<size_t>(device.index()) % kMaxDevices];
}

/// Bytes that the allocator has cached for whatever asks next.
int64_t CachedBytes(c10::Device device, DeviceBackend& backend) {
  auto stats = AllocatorOf(device)->getDeviceStats(device.index());
  return stats.reserved_bytes[0].current - stats.allocated_bytes[0].current -
         backend.HeldByGraphs(device);
}

/// Holds the allocator to `limit` bytes beside those that are in use now.
void LimitAccelerator(c10::Device device, std::optional<int64_t> limit) {
  DeviceBackend* backend = BackendOf(device);
  if (backend == nullptr) return;
  if (!limit) {
    backend->LimitReserved(device, std::nullopt);
    return;
  }
  // What comes out of the cache is not asked for: it counts, and must not be more than the limit.
  if (CachedBytes(device, *backend) > *limit) EmptyCache(device);
  int64_t cached = CachedBytes(device, *backend);
  int64_t reserved = AllocatorOf(device)->getDeviceStats(device.index()).reserved_bytes[0].current;
  int64_t most = std::numeric_limits<int64_t>::max() - reserved;
  backend->LimitReserved(device, reserved + std::min(most, std::max<int64_t>(0, *limit - cached)));
}

}  // namespace

// The data pointer itself is the context, and raw_deleter() is given: oneDNN and others use
// raw_allocate() and raw_deallocate(), which have no place for any other context.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes == 0 ? nullptr : Make(bytes);
    return {data, data, &Free, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &Free; }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  static void* Make(size_t bytes) {
    MemoryScope* scope = innermost_scope;
    if (bytes > static_cast<size_t>(std::numeric_limits<int64_t>::max()) - sizeof(Header)) {
      C10_THROW_ERROR(OutOfMemoryError, "CPU out of memory: an impossible size was asked for");
    }
    int64_t size = static_cast<int64_t>(bytes);
    if (scope != nullptr && scope->limit_ && scope->current_ + size > *scope->limit_) {
      C10_THROW_ERROR(OutOfMemoryError,
                      "CPU out of memory: " + std::to_string(bytes) + " bytes more than the " +
                          std::to_string(scope->current_) + " in use would exceed the limit of " +
                          std::to_string(*scope->limit_) + " bytes for this call");
    }
    BlockCache::Block block = KeptBlocks().Take(bytes + sizeof(Header));
    if (block.memory == nullptr) block = AllocateOrThrow(bytes + sizeof(Header));
    auto* header = static_cast<Header*>(block.memory);
    header->size = bytes;
    header->block_size = block.size;
    header->scope_id = 0;
    if (scope != nullptr) {
      header->scope_id = scope->id_;
      scope->current_ += size;
      scope->peak_ = std::max(scope->peak_, scope->current_);
      Raise(cpu_peak, cpu_allocated.fetch_add(size, std::memory_order_relaxed) + size);
    }
    return header + 1;
  }

  static BlockCache::Block AllocateOrThrow(size_t bytes) {
    void* memory = TryAllocate(bytes);
    if (memory == nullptr) {
      KeptBlocks().Clear();
      memory = TryAllocate(bytes);
    }
    if (memory == nullptr) {
      C10_THROW_ERROR(OutOfMemoryError,
                      "CPU out of memory: cannot allocate " + std::to_string(bytes) + " bytes");
    }
    return {memory, bytes};
  }

  static void* TryAllocate(size_t bytes) {
    try {
      return c10::alloc_cpu(bytes);
    } catch (const c10::Error&) {
      // Typed by the caller: LibTorch reports it as an Error like any other.
      return nullptr;
    }
  }

  static void Free(void* data) {
    if (data == nullptr) return;
    Header* header = static_cast<Header*>(data) - 1;
    if (header->scope_id != 0) {
      int64_t size = static_cast<int64_t>(header->size);
      cpu_allocated.fetch_sub(size, std::memory_order_relaxed);
      // A block of an earlier scope, or one that another thread frees, is none of this scope's.
      MemoryScope* scope = innermost_scope;
      if (scope != nullptr && scope->id_ == header->scope_id) {
        scope->current_ -= size;
        if (scope->keeps_blocks_ && KeptBlocks().Keep({header, header->block_size})) return;
      }
    }
    c10::free_cpu(header);
  }
};

void InstallCountingAllocator() {
  // Leaked: blocks are freed until the last moment of the process.
  static auto* allocator = new CountingAllocator();
  constexpr uint8_t kPriority = 100;
  c10::SetAllocator(c10::kCPU, allocator, kPriority);
}

MemoryScope::MemoryScope(c10::Device device, std::optional<int64_t> limit)
    : device_(device), limit_(limit), id_(next_scope_id.fetch_add(1)), outer_(innermost_scope) {
  if (!device_.is_cpu()) {
    at::globalContext().lazyInitDevice(device_.type());
    LimitAccelerator(device_, limit);
    c10::DeviceAllocator* allocator = AllocatorOf(device_);
    auto stats = allocator->getDeviceStats(device_.index());
    Raise(DevicePeak(device_), stats.allocated_bytes[0].peak);
    device_start_ = stats.allocated_bytes[0].current;
    allocator->resetPeakStats(device_.index());
    limit_.reset();
  }
  innermost_scope = this;
}

MemoryScope::~MemoryScope() {
  innermost_scope = outer_;
  if (device_.is_cpu()) return;
  try {
    auto stats = AllocatorOf(device_)->getDeviceStats(device_.index());
    Raise(DevicePeak(device_), stats.allocated_bytes[0].peak);
  } catch (...) {
    // A device that fails is reported by the call itself.
  }
}

int64_t MemoryScope::PeakBytes() const {
  if (device_.is_cpu()) return peak_;
  auto stats = AllocatorOf(device_)->getDeviceStats(device_.index());
  return std::max<int64_t>(0, stats.allocated_bytes[0].peak - device_start_);
}

int64_t MemoryScope::PeakBytesSoFar() {
  return innermost_scope == nullptr ? 0 : innermost_scope->PeakBytes();
}

DeviceMemory MemoryOf(c10::Device device) {
  DeviceMemory memory;
  if (device.is_cpu()) {
    memory.allocated = cpu_allocated.load();
    memory.reserved = memory.allocated + KeptBlocks().size();
    memory.peak = std::max(cpu_peak.load(), memory.allocated);
    return memory;
  }
  at::globalContext().lazyInitDevice(device.type());
  c10::DeviceAllocator* allocator = AllocatorOf(device);
  auto stats = allocator->getDeviceStats(device.index());
  memory.allocated = stats.allocated_bytes[0].current;
  memory.reserved = stats.reserved_bytes[0].current;
  memory.peak = std::max<int64_t>(DevicePeak(device).load(), stats.allocated_bytes[0].peak);
  auto [free, total] = allocator->getMemoryInfo(device.index());
  memory.free = static_cast<int64_t>(free);
  memory.total = static_cast<int64_t>(total);
  if (DeviceBackend* backend = BackendOf(device)) {
    memory.held_by_graphs = backend->HeldByGraphs(device);
    int64_t left = backend->Capacity(device) - memory.reserved;
    memory.free = std::max<int64_t>(0, std::min(*memory.free, left));
  }
  return memory;
}

void ResetPeak(c10::Device device) {
  if (device.is_cpu()) {
    cpu_peak.store(cpu_allocated.load());
    return;
  }
  at::globalContext().lazyInitDevice(device.type());
  DevicePeak(device).store(0);
  AllocatorOf(device)->resetPeakStats(device.index());
}

void EmptyCache(c10::Device device) {
  if (device.is_cpu()) {
    KeptBlocks().Clear();
    return;
  }
  c10::DeviceAllocator* allocator = AllocatorOf(device);
  if (!allocator->initialized()) return;
  if (DeviceBackend* backend = BackendOf(device)) {
    backend->EmptyCache(device);
  } else {
    allocator->emptyCache();
  }
}

void ReleaseWorkspaces(c10::Device device) {
  if (DeviceBackend* backend = BackendOf(device)) backend->ReleaseWorkspaces(device);
  if (at::globalContext().getPinnedMemoryAllocator(device.type()) != nullptr) {
    at::getHostAllocator(device.type())->empty_cache();
  }
}

}  // namespace clip_blip
