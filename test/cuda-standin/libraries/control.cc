// The control block: counters and switches in a file that a test reads and writes while the program
// runs. Without CUDA_STANDIN_CONTROL it is memory of the process, and every switch is off.

#include "control.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace standin {
namespace {

constexpr size_t kBytes = static_cast<size_t>(Slot::kCount) * sizeof(int64_t);

int64_t* MapFile(const char* path) {
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file >= 0 && lseek(file, 0, SEEK_END) < static_cast<off_t>(kBytes)) {
    if (ftruncate(file, kBytes) != 0) perror("CUDA stand-in: ftruncate");
  }
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file >= 0) close(file);
  if (memory == MAP_FAILED) {
    perror("CUDA stand-in: the control block cannot be mapped");
    abort();
  }
  return static_cast<int64_t*>(memory);
}

std::atomic_ref<int64_t> At(Slot slot) {
  static int64_t own[static_cast<size_t>(Slot::kCount)];
  static int64_t* const slots = [] {
    const char* path = getenv("CUDA_STANDIN_CONTROL");
    return path == nullptr ? own : MapFile(path);
  }();
  return std::atomic_ref(slots[static_cast<size_t>(slot)]);
}

}  // namespace

void Add(Slot counter, int64_t amount) { At(counter) += amount; }

void AddOnDevice(Slot all, int device, int64_t amount) {
  Add(all, amount);
  Add(OfDevice(all, device + 1), amount);
}

int64_t Read(Slot slot) { return At(slot); }

bool TakeOne(Slot slot) {
  std::atomic_ref<int64_t> left = At(slot);
  int64_t seen = left;
  while (seen > 0) {
    if (left.compare_exchange_weak(seen, seen - 1)) return true;
  }
  return false;
}

}  // namespace standin
