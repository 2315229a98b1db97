// The one thread of each device under the sanitizers: pool threads that hand work to it, as the
// calls of all JavaScript threads do, with a turn and without. The devices are plain numbers, so
// that two threads at work on one are a data race.
#include "device/device_thread.h"

#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "device/device_backend.h"
#include "device/device_turns.h"

using clip_blip::DeviceTurns;
using clip_blip::RunOnDeviceThread;

// What the CPU has: no limits and no graphs.
clip_blip::DeviceBackend* clip_blip::BackendOf(c10::Device) { return nullptr; }

namespace {

constexpr int kThreads = 8;
constexpr int kCalls = 3000;
const std::array<c10::Device, 2> kDevices = {c10::Device(c10::kCPU), c10::Device(c10::kCUDA, 0)};
const std::array<std::string, 2> kNames = {"cpu", "cuda:0"};

/// What a device has of its own: touched on its thread only, and without any lock.
struct FakeDevice {
  long calls = 0;
  std::vector<int> buffer;
  std::optional<std::thread::id> thread;
};
std::array<FakeDevice, 2> devices;

/// A "forward": it reads what the caller prepared and writes the answer where the caller waits for
/// it.
long Forward(FakeDevice& device, const std::vector<int>& input) {
  if (device.thread && *device.thread != std::this_thread::get_id()) {
    std::fprintf(stderr, "two threads have the device\n");
    std::abort();
  }
  device.thread = std::this_thread::get_id();
  ++device.calls;
  device.buffer = input;
  long sum = 0;
  for (int value : device.buffer) sum += value;
  return sum;
}

/// Returns when the owner has its turn.
void AwaitTurn(const std::string& device, DeviceTurns::Owner owner) {
  struct Word {
    std::mutex mutex;
    std::condition_variable changed;
    bool come = false;
  };
  auto word = std::make_shared<Word>();
  DeviceTurns::Instance().Acquire(device, owner, [word] {
    std::lock_guard lock(word->mutex);
    word->come = true;
    word->changed.notify_one();
  });
  std::unique_lock lock(word->mutex);
  word->changed.wait(lock, [&] { return word->come; });
}

void Work(int seed) {
  std::mt19937 random(seed);
  for (int call = 0; call < kCalls; ++call) {
    size_t which = random() % devices.size();
    // Of this call alone, as its arguments and its result are.
    std::vector<int> input(random() % 64, seed + 1);
    long answer = -1;
    bool with_turn = random() % 2;
    if (with_turn) AwaitTurn(kNames[which], &input);
    RunOnDeviceThread(kDevices[which], [&] { answer = Forward(devices[which], input); });
    if (with_turn) DeviceTurns::Instance().Release(kNames[which], &input);
    if (answer != static_cast<long>(input.size()) * (seed + 1)) {
      std::fprintf(stderr, "a call has another call's answer\n");
      std::abort();
    }
  }
}

}  // namespace

int main() {
  // The first calls of all come at once, and make the threads.
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(Work, i);
  for (std::thread& thread : threads) thread.join();
  long calls = 0;
  for (size_t which = 0; which < devices.size(); ++which) {
    RunOnDeviceThread(kDevices[which], [&] { calls += devices[which].calls; });
  }
  if (calls != static_cast<long>(kThreads) * kCalls) {
    std::fprintf(stderr, "%ld calls of %d\n", calls, kThreads * kCalls);
    return 1;
  }
  std::printf("%ld calls\n", calls);
}
