// Memory. A device's is the host's, with a list of whose it is; nothing of it has a meaning but
// what was copied there.

#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>

#include "control.h"
#include "event_log.h"
#include "runtime.h"

namespace standin {
namespace {

constexpr size_t kPage = 4096;

struct Block {
  Memory memory;
  size_t bytes;
};

struct Blocks {
  std::mutex mutex;
  /// By the address of their beginning.
  std::map<const char*, Block> all;
  size_t used[kMaxDevices] = {};
};

/// Leaked: programs free memory while statics go.
Blocks& TheBlocks() {
  static auto* blocks = new Blocks();
  return *blocks;
}

size_t Pages(size_t bytes) { return (bytes / kPage + 1) * kPage; }

/// Takes memory of the host when it is touched: a device may have more than the machine.
void* Keep(const Block& block) {
  void* memory = mmap(nullptr, Pages(block.bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  TheBlocks().all[static_cast<const char*>(memory)] = block;
  return memory;
}

/// To use it from now on is a crash.
void GiveBack(void* memory, const Block& block) { munmap(memory, Pages(block.bytes)); }

/// Takes a block off the list.
bool Forget(void* memory, Place place, Block* block) {
  Blocks& blocks = TheBlocks();
  std::lock_guard lock(blocks.mutex);
  auto found = blocks.all.find(static_cast<const char*>(memory));
  if (found == blocks.all.end() || found->second.memory.place != place) return false;
  *block = found->second;
  blocks.all.erase(found);
  if (place == Place::kDevice) blocks.used[block->memory.device] -= block->bytes;
  return true;
}

/// Whether a switch wants this cudaMalloc to find no memory.
bool MallocFails() {
  if (ThreadCaptures() && TakeOne(Slot::fail_mallocs_in_capture)) return true;
  if (Read(Slot::fail_mallocs) == 0 || TakeOne(Slot::spare_mallocs)) return false;
  return TakeOne(Slot::fail_mallocs);
}

}  // namespace

Memory MemoryAt(const void* address) {
  Blocks& blocks = TheBlocks();
  std::lock_guard lock(blocks.mutex);
  auto* byte = static_cast<const char*>(address);
  auto after = blocks.all.upper_bound(byte);
  if (after == blocks.all.begin()) return {Place::kPageable, 0};
  const auto& [begin, block] = *--after;
  return byte < begin + block.bytes ? block.memory : Memory{Place::kPageable, 0};
}

}  // namespace standin

using namespace standin;

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  int device = CurrentDevice();
  if (cudaError_t error = Unsafe("cudaMalloc")) return error;
  if (cudaError_t error = LostDevice(device)) return error;
  bool fails = MallocFails();
  {
    Blocks& blocks = TheBlocks();
    std::lock_guard lock(blocks.mutex);
    fails = fails || blocks.used[device] + bytes > TotalMemory();
    *memory = fails ? nullptr : Keep({{Place::kDevice, device}, bytes});
    if (*memory != nullptr) blocks.used[device] += bytes;
  }
  Log("MALLOC", {.device = device, .bytes = bytes, .what = *memory == nullptr ? "failed" : ""});
  if (*memory == nullptr) return Fail(cudaErrorMemoryAllocation);
  AddOnDevice(Slot::mallocs, device);
  AddOnDevice(Slot::used_bytes, device, static_cast<int64_t>(bytes));
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  if (cudaError_t error = Unsafe("cudaFree")) return error;
  Block block;
  if (!Forget(memory, Place::kDevice, &block)) return Fail(cudaErrorInvalidValue);
  int device = block.memory.device;
  GiveBack(memory, block);
  AddOnDevice(Slot::frees, device);
  AddOnDevice(Slot::used_bytes, device, -static_cast<int64_t>(block.bytes));
  Log("FREE", {.device = device, .bytes = block.bytes});
  return LostDevice(device);
}

cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  return cudaMalloc(memory, bytes);
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t) { return cudaFree(memory); }

cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  int device = CurrentDevice();
  Add(Slot::mem_info);
  Log("MEMINFO", {.device = device});
  if (cudaError_t error = LostDevice(device)) return error;
  Blocks& blocks = TheBlocks();
  std::lock_guard lock(blocks.mutex);
  *total = TotalMemory();
  *available = *total > blocks.used[device] ? *total - blocks.used[device] : 0;
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  if (cudaError_t error = Unsafe("cudaHostAlloc")) return error;
  if (cudaError_t error = LostDevice(CurrentDevice())) return error;
  int64_t limit = Read(Slot::fail_host_allocs_from);
  bool fails = limit > 0 && bytes >= static_cast<size_t>(limit);
  {
    std::lock_guard lock(TheBlocks().mutex);
    *memory = fails ? nullptr : Keep({{Place::kPinned, CurrentDevice()}, bytes});
  }
  Log("HOSTALLOC", {.bytes = bytes, .what = fails ? "failed" : ""});
  if (*memory == nullptr) return Fail(cudaErrorMemoryAllocation);
  Add(Slot::host_allocs);
  Add(Slot::host_bytes, static_cast<int64_t>(bytes));
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  if (cudaError_t error = Unsafe("cudaFreeHost")) return error;
  Block block;
  if (!Forget(memory, Place::kPinned, &block)) return Fail(cudaErrorInvalidValue);
  GiveBack(memory, block);
  Add(Slot::host_frees);
  Add(Slot::host_bytes, -static_cast<int64_t>(block.bytes));
  Log("HOSTFREE", {.bytes = block.bytes});
  return cudaSuccess;
}

cudaError_t cudaHostRegister(void* memory, size_t bytes, unsigned) {
  std::lock_guard lock(TheBlocks().mutex);
  TheBlocks().all[static_cast<const char*>(memory)] = {{Place::kPinned, CurrentDevice()}, bytes};
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void* memory) {
  Block block;
  return Forget(memory, Place::kPinned, &block) ? cudaSuccess
                                                : Fail(cudaErrorHostMemoryNotRegistered);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  Memory memory = MemoryAt(address);
  *attributes = {};
  attributes->type = memory.place == Place::kDevice   ? cudaMemoryTypeDevice
                     : memory.place == Place::kPinned ? cudaMemoryTypeHost
                                                      : cudaMemoryTypeUnregistered;
  attributes->device = memory.device;
  auto* data = const_cast<void*>(address);
  if (memory.place == Place::kDevice) attributes->devicePointer = data;
  if (memory.place == Place::kPinned) attributes->devicePointer = attributes->hostPointer = data;
  return cudaSuccess;
}

cudaError_t cudaGetSymbolAddress(void** address, const void*) {
  // Of a variable in the code of a device: there is none, and this is as good for all of them.
  static auto* memory = static_cast<char*>(calloc(1, kPage));
  *address = memory;
  return cudaSuccess;
}
