// The counts of CPU memory under the sanitizers: threads that allocate inside and outside of
// scopes, go over limits, and free each other's blocks, while others read the counts.
#include "device/memory.h"

#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "device/device_backend.h"

// What the CPU has: no limits and no graphs.
clip_blip::DeviceBackend* clip_blip::BackendOf(c10::Device) { return nullptr; }

namespace {

constexpr int kThreads = 8;
constexpr int kRounds = 400;
constexpr int64_t kLimit = 20'000;
const c10::Device kCpu(c10::kCPU);

/// Blocks that outlive the scope that they were made in; whoever draws one frees it.
std::mutex mutex;
std::vector<c10::DataPtr> left;

void Fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

c10::DataPtr Allocate(size_t bytes) {
  c10::DataPtr block = c10::GetAllocator(c10::kCPU)->allocate(bytes);
  // All of it is the caller's, and it is aligned.
  if (bytes > 0) std::memset(block.get(), 1, bytes);
  if (reinterpret_cast<uintptr_t>(block.get()) % 64 != 0) Fail("a block is not aligned");
  return block;
}

void Exchange(std::mt19937& random, c10::DataPtr block) {
  std::lock_guard lock(mutex);
  left.push_back(std::move(block));
  if (left.size() < 50) return;
  std::swap(left[random() % left.size()], left.back());
  left.pop_back();
}

/// What one call allocates, beside all the others.
void Call(std::mt19937& random) {
  // Some in blocks so long that they are kept for the next call, whichever thread that is of.
  int64_t unit = random() % 4 == 0 ? 300 : 1;
  int64_t limit = kLimit * unit;
  clip_blip::MemoryScope scope(kCpu, limit);
  scope.KeepFreedBlocks();
  std::vector<c10::DataPtr> blocks;
  int64_t held = 0, peak = 0;
  for (int step = 0; step < 30; ++step) {
    int64_t bytes = random() % 3000 * unit;
    try {
      blocks.push_back(Allocate(bytes));
      held += bytes;
      peak = std::max(peak, held);
      if (held > limit) Fail("a call went over its limit");
    } catch (const c10::OutOfMemoryError&) {
      if (held + bytes <= limit) Fail("a call was refused what it may have");
      blocks.clear();
      held = 0;
    }
  }
  if (scope.PeakBytes() != peak) Fail("a call's peak is another's");
  if (!blocks.empty()) Exchange(random, std::move(blocks.back()));
}

void Work(int seed) {
  std::mt19937 random(seed);
  for (int round = 0; round < kRounds; ++round) {
    Call(random);
    // Not counted: nobody asked.
    Exchange(random, Allocate(random() % 3000));
    clip_blip::DeviceMemory memory = clip_blip::MemoryOf(kCpu);
    if (memory.allocated < 0 || memory.peak < memory.allocated) Fail("a count is impossible");
    if (memory.reserved < memory.allocated) Fail("a count is impossible");
    if (random() % 16 == 0) clip_blip::ResetPeak(kCpu);
    if (random() % 64 == 0) clip_blip::EmptyCache(kCpu);
  }
}

}  // namespace

int main() {
  clip_blip::InstallCountingAllocator();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(Work, i);
  for (std::thread& thread : threads) thread.join();
  left.clear();
  clip_blip::EmptyCache(kCpu);
  if (clip_blip::MemoryOf(kCpu).reserved != 0) Fail("blocks are kept that were to be given back");
  if (clip_blip::MemoryOf(kCpu).allocated != 0) Fail("bytes are counted that nobody has");
  std::printf("%d scopes\n", kThreads * kRounds);
}
