#include "device_thread.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <semaphore>
#include <thread>
#include <unordered_map>

#include "memory.h"

namespace clip_blip {
namespace {

/// Time without work after which the CPU gives back the blocks that its calls have kept.
constexpr std::chrono::seconds kIdle{1};

struct Job {
  const std::function<void()>* work;
  std::binary_semaphore done{0};
};

class DeviceThread {
 public:
  // Detached: a thread that can be joined ends the process when it is destroyed while it runs.
  explicit DeviceThread(c10::Device device) : device_(device) {
    std::thread([this] { Loop(); }).detach();
  }

  void Run(const std::function<void()>& work) {
    Job job{&work};
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(&job);
    }
    wake_.notify_one();
    job.done.acquire();
  }

 private:
  [[noreturn]] void Loop() {
    while (true) {
      Job* job = nullptr;
      {
        std::unique_lock lock(mutex_);
        AwaitJob(lock);
        job = jobs_.front();
        jobs_.pop_front();
      }
      (*job->work)();
      job->done.release();
    }
  }

  void AwaitJob(std::unique_lock<std::mutex>& lock) {
    auto come = [this] { return !jobs_.empty(); };
    // A GPU's cache is the business of whoever loaded the model: see CacheRelease of the library.
    if (device_.is_cpu() && !wake_.wait_for(lock, kIdle, come)) {
      lock.unlock();
      EmptyCache(device_);
      lock.lock();
    }
    wake_.wait(lock, come);
  }

  const c10::Device device_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job*> jobs_;
};

DeviceThread& ThreadOf(c10::Device device) {
  // Leaked with all threads in it: they wait still while statics go.
  static auto* mutex = new std::mutex();
  static auto* threads = new std::unordered_map<c10::Device, DeviceThread*>();
  std::lock_guard lock(*mutex);
  DeviceThread*& thread = (*threads)[device];
  if (thread == nullptr) thread = new DeviceThread(device);
  return *thread;
}

}  // namespace

void RunOnDeviceThread(c10::Device device, const std::function<void()>& work) {
  ThreadOf(device).Run(work);
}

}  // namespace clip_blip
