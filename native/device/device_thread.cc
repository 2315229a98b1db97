#include "device/device_thread.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>
#include <unordered_map>

#include "device/failure.h"
#include "device/memory.h"

namespace clip_blip {
namespace {

/// Time without work after which the CPU gives back the blocks that its calls have kept.
constexpr std::chrono::milliseconds kKeptOnCpu{1000};
/// The same for accelerators with CacheRelease::kWhenIdle. A caller that makes its next call as
/// soon as it has an answer needs less time than this.
constexpr std::chrono::milliseconds kKeptUntilIdle{2};

struct Job {
  const std::function<void()>* work;
  CacheRelease release;
  std::binary_semaphore done{0};
};

class DeviceThread {
 public:
  // Detached: destroying a running thread that could be joined would end the process.
  explicit DeviceThread(c10::Device device) : device_(device) {
    std::thread([this] { Loop(); }).detach();
  }

  void Run(const std::function<void()>& work, CacheRelease release) {
    Job job{&work, release};
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(&job);
      busy_ = true;
    }
    wake_.notify_one();
    job.done.acquire();
  }

  bool IsBusy() {
    std::lock_guard lock(mutex_);
    return busy_;
  }

 private:
  [[noreturn]] void Loop() {
    while (true) {
      Job* job = AwaitJob();
      (*job->work)();
      CacheRelease release = job->release;
      job->done.release();
      if (device_.is_cpu()) {
        kept_ = kKeptOnCpu;
      } else if (release == CacheRelease::kAfterCall) {
        GiveBack();
      } else if (release == CacheRelease::kWhenIdle) {
        kept_ = kKeptUntilIdle;
      }
    }
  }

  Job* AwaitJob() {
    auto come = [this] { return !jobs_.empty(); };
    std::unique_lock lock(mutex_);
    busy_ = !jobs_.empty();
    if (kept_ && !wake_.wait_for(lock, *kept_, come)) {
      lock.unlock();
      GiveBack();
      lock.lock();
    }
    wake_.wait(lock, come);
    Job* job = jobs_.front();
    jobs_.pop_front();
    return job;
  }

  void GiveBack() {
    kept_.reset();
    // After a fatal fault this fails, too. Callers are told of the fault itself.
    Attempt([this] { EmptyCache(device_); });
  }

  const c10::Device device_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job*> jobs_;
  bool busy_ = false;
  /// How long to keep the memory that the last calls have left. Empty: there is none, or it is kept
  /// for good.
  std::optional<std::chrono::milliseconds> kept_;
};

DeviceThread& ThreadOf(c10::Device device) {
  // Leaked with all its threads, which still wait when static objects are destroyed.
  static auto* mutex = new std::mutex();
  static auto* threads = new std::unordered_map<c10::Device, DeviceThread*>();
  std::lock_guard lock(*mutex);
  DeviceThread*& thread = (*threads)[device];
  if (thread == nullptr) thread = new DeviceThread(device);
  return *thread;
}

}  // namespace

void RunOnDeviceThread(c10::Device device, const std::function<void()>& work,
                       CacheRelease release) {
  ThreadOf(device).Run(work, release);
}

bool IsBusy(c10::Device device) { return ThreadOf(device).IsBusy(); }

}  // namespace clip_blip
