// The turns on devices under ThreadSanitizer: threads that come, wait, use a device, lose it and leave, as the JavaScript
// threads of a process do. The device is a plain number, so that two holders at a time are a data race.
#include "device/device_turns.h"

#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

using clip_blip::DeviceTurns;

namespace {

constexpr int kThreads = 8;
constexpr int kRounds = 4000;
const std::array<std::string, 2> kDevices = {"cpu", "cuda:0"};

/// Counts its calls without any lock: the turns are the lock.
struct FakeDevice {
  long calls = 0;
  bool in_use = false;
};
std::array<FakeDevice, 2> devices;

/// What brings the word that a turn has come to a waiting thread. Shared with the grant, which may outlive the wait.
struct Word {
  std::mutex mutex;
  std::condition_variable changed;
  bool come = false;
};

void Use(FakeDevice& device) {
  if (device.in_use) {
    std::fprintf(stderr, "two threads have the device\n");
    std::abort();
  }
  device.in_use = true;
  ++device.calls;
  device.in_use = false;
}

/// Rounds of one thread; returns how often it had each device.
std::array<long, 2> Work(int seed) {
  std::mt19937 random(seed);
  std::array<long, 2> had{};
  auto& turns = DeviceTurns::Instance();
  auto self = std::make_unique<int>(seed);
  for (int round = 0; round < kRounds; ++round) {
    size_t which = random() % kDevices.size();
    const std::string& device = kDevices[which];
    switch (random() % 8) {
      case 0:
        turns.MarkLost(device, "thread " + std::to_string(seed));
        break;
      case 1:
        if (turns.LostReason(device)) turns.ForgetLost(device);
        break;
      case 2:
        if (turns.Waiting(device) >= kThreads) std::abort();
        break;
      case 3: {
        // Ends while it waits, and comes back as another thread.
        turns.Acquire(device, self.get(), [] {});
        turns.Leave(self.get());
        self = std::make_unique<int>(seed);
        break;
      }
      case 4:
        if (!turns.TryAcquire(device, self.get())) break;
        Use(devices[which]);
        ++had[which];
        turns.Release(device, self.get());
        break;
      default: {
        auto word = std::make_shared<Word>();
        turns.Acquire(device, self.get(), [word] {
          std::lock_guard lock(word->mutex);
          word->come = true;
          word->changed.notify_one();
        });
        std::unique_lock lock(word->mutex);
        word->changed.wait(lock, [&] { return word->come; });
        lock.unlock();
        Use(devices[which]);
        ++had[which];
        // Half of them end while they have the turn.
        if (random() % 2) turns.Release(device, self.get());
        else turns.Leave(self.get());
      }
    }
  }
  turns.Leave(self.get());
  return had;
}

}  // namespace

int main() {
  std::array<std::array<long, 2>, kThreads> had{};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&had, i] { had[i] = Work(i); });
  for (std::thread& thread : threads) thread.join();
  for (size_t which = 0; which < devices.size(); ++which) {
    long expected = 0;
    for (const auto& counts : had) expected += counts[which];
    if (devices[which].calls != expected || expected == 0) {
      std::fprintf(stderr, "%ld calls, and %ld turns\n", devices[which].calls, expected);
      return 1;
    }
  }
  std::printf("%ld turns\n", devices[0].calls + devices[1].calls);
}
