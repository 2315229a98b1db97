#include "faults/caching_device.h"

#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceType.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "device/device_call.h"
#include "faults/faults.h"

namespace clip_blip {
namespace {

constexpr c10::DeviceType kType = c10::kPrivateUse1;

std::atomic<bool> is_broken{false};

void Respond() { TORCH_CHECK(!is_broken, "the device gives no answer"); }

/// Counts by the byte, where a real one rounds.
class CachingAllocator final : public c10::DeviceAllocator {
 public:
  explicit CachingAllocator(int64_t capacity) : capacity_(capacity) {}

  c10::DataPtr allocate(size_t bytes) override {
    std::lock_guard lock(mutex_);
    int64_t size = static_cast<int64_t>(bytes);
    void* data = Reuse(size);
    if (data == nullptr) data = Reserve(size);
    sizes_[data] = size;
    Add(stats_.allocated_bytes, size);
    return {data, data, &Free, c10::Device(kType, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {
    std::lock_guard lock(mutex_);
    ++emptied_;
    Respond();
    DropCache();
  }
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    std::lock_guard lock(mutex_);
    return stats_;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {
    std::lock_guard lock(mutex_);
    stats_.allocated_bytes[0].reset_peak();
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override {
    std::lock_guard lock(mutex_);
    Respond();
    return {capacity_ - stats_.reserved_bytes[0].current, capacity_};
  }

  int64_t emptied() const { return emptied_; }

 private:
  static void Free(void* data);

  static void Add(c10::CachingAllocator::StatArray& stat, int64_t bytes) {
    if (bytes > 0) stat[0].increase(bytes);
    if (bytes < 0) stat[0].decrease(-bytes);
  }

  void* Reuse(int64_t size) {
    auto found = cache_.find(size);
    if (found == cache_.end()) return nullptr;
    void* data = found->second;
    cache_.erase(found);
    return data;
  }

  void* Reserve(int64_t size) {
    if (stats_.reserved_bytes[0].current + size > capacity_) DropCache();
    if (stats_.reserved_bytes[0].current + size > capacity_) {
      C10_THROW_ERROR(OutOfMemoryError, "out of memory on the device of the tests");
    }
    Add(stats_.reserved_bytes, size);
    return std::malloc(static_cast<size_t>(size));
  }

  void DropCache() {
    for (auto& [size, data] : cache_) {
      Add(stats_.reserved_bytes, -size);
      std::free(data);
    }
    cache_.clear();
  }

  std::mutex mutex_;
  int64_t capacity_;
  c10::CachingDeviceAllocator::DeviceStats stats_;
  std::map<void*, int64_t> sizes_;
  std::multimap<int64_t, void*> cache_;
  std::atomic<int64_t> emptied_{0};
};

CachingAllocator* allocator = nullptr;

void CachingAllocator::Free(void* data) {
  std::lock_guard lock(allocator->mutex_);
  auto found = allocator->sizes_.find(data);
  Add(allocator->stats_.allocated_bytes, -found->second);
  allocator->cache_.emplace(found->second, data);
  allocator->sizes_.erase(found);
}

struct Guard final : c10::impl::NoOpDeviceGuardImpl<kType> {
  void synchronizeDevice(const c10::DeviceIndex) const override { Respond(); }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

}  // namespace

void InstallCachingDevice(int64_t capacity) {
  // Leaked, as everything that LibTorch keeps a pointer to.
  allocator = new CachingAllocator(capacity);
  c10::SetAllocator(kType, allocator);
  c10::register_privateuse1_backend("testing");
  static c10::impl::DeviceGuardImplRegistrar registrar(kType, new Guard());
  at::RegisterPrivateUse1HooksInterface(new Hooks());
}

void BreakCachingDevice(bool broken) { is_broken = broken; }

int64_t CallOnCachingDevice(const CachingDeviceCall& call) {
  RunOptions options;
  options.release_cache = call.release_cache;
  c10::Device device(kType, 0);
  int64_t peak = 0;
  std::optional<Failure> failure = Attempt([&] {
    peak = CallOnDevice(device, options, [&call] {
      std::vector<c10::DataPtr> blocks;
      for (int64_t bytes : call.blocks) blocks.push_back(allocator->allocate(bytes));
      if (!call.fault.empty()) ThrowFault(call.fault);
    });
  });
  RunOnDeviceThread(device, [] {});
  if (failure) throw *failure;
  return peak;
}

int64_t CachesEmptied() { return allocator->emptied(); }

}  // namespace clip_blip
