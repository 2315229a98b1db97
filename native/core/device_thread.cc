#include "device_thread.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <semaphore>
#include <thread>
#include <unordered_map>

namespace clip_blip {
namespace {

struct Job {
  const std::function<void()>* work;
  std::binary_semaphore done{0};
};

class DeviceThread {
 public:
  // Detached: a thread that can be joined ends the process when it is destroyed while it runs.
  DeviceThread() { std::thread([this] { Loop(); }).detach(); }

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
        wake_.wait(lock, [this] { return !jobs_.empty(); });
        job = jobs_.front();
        jobs_.pop_front();
      }
      (*job->work)();
      job->done.release();
    }
  }

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
  if (thread == nullptr) thread = new DeviceThread();
  return *thread;
}

}  // namespace

void RunOnDeviceThread(c10::Device device, const std::function<void()>& work) {
  ThreadOf(device).Run(work);
}

}  // namespace clip_blip
