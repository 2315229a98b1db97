#include "faults/recording.h"

#include <atomic>

#include "device/device_backend.h"
#include "device/test_seam.h"

namespace clip_blip {
namespace {

std::atomic<bool> recording{false};
std::atomic<int64_t> recorded{0};
std::atomic<int64_t> replayed{0};

class Repetition final : public RecordedGraph {
 public:
  explicit Repetition(std::function<void()> work) : work_(std::move(work)) {}
  void Replay() override {
    ++replayed;
    work_();
  }

 private:
  std::function<void()> work_;
};

class RepeatingMemory final : public GraphMemory {
 public:
  void Allocate(const std::function<void()>& work) override { work(); }
  std::unique_ptr<RecordedGraph> Record(const std::function<void()>& work) override {
    work();
    work();
    ++recorded;
    return std::make_unique<Repetition>(work);
  }
};

class RepeatingBackend final : public DeviceBackend {
 public:
  std::shared_ptr<GraphMemory> Graphs(c10::Device) override {
    return std::make_shared<RepeatingMemory>();
  }
  std::shared_ptr<GraphMemory> MemoryApart(c10::Device device) override { return Graphs(device); }
  int64_t Capacity(c10::Device) override { return int64_t{1} << 40; }
};

}  // namespace

void RecordOnCpu(bool on) {
  recorded = 0;
  replayed = 0;
  recording = on;
}

int64_t GraphsRecorded() { return recorded; }
int64_t GraphsReplayed() { return replayed; }

DeviceBackend* TestBackend() {
  static auto* backend = new RepeatingBackend();
  return recording ? backend : nullptr;
}

}  // namespace clip_blip
