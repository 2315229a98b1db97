#include "graph_cache.h"

#include <algorithm>
#include <set>

#include "failure.h"

namespace clip_blip {

std::vector<at::Tensor> GraphEntry::Run(GraphMemory& memory, const at::Tensor& input,
                                        const Work& work) {
  if (graph_ == nullptr && !failed_) Record(memory, input, work);
  if (graph_ == nullptr) return work(input);
  input_.copy_(input, /*non_blocking=*/true);
  graph_->Replay();
  return outputs_;
}

void GraphEntry::Record(GraphMemory& memory, const at::Tensor& input, const Work& work) {
  std::optional<Failure> failure = Attempt([&] {
    memory.Allocate([&] { input_ = input.clone(at::MemoryFormat::Contiguous); });
    graph_ = memory.Record([this, work] { outputs_ = work(input_); });
  });
  if (!failure) return;
  failed_ = true;
  graph_.reset();
  input_.reset();
  outputs_.clear();
  if (failure->code() == ErrorCode::kDeviceLost) throw *failure;
}

namespace {

/// All caches of the process. Leaked: models may end after static objects do.
struct Caches {
  std::mutex mutex;
  std::set<GraphCache*> all;
};

Caches& TheCaches() {
  static auto* caches = new Caches();
  return *caches;
}

}  // namespace

GraphCache::GraphCache(c10::Device device) : device_(device) {
  std::lock_guard lock(TheCaches().mutex);
  TheCaches().all.insert(this);
}

GraphCache::~GraphCache() {
  std::lock_guard lock(TheCaches().mutex);
  TheCaches().all.erase(this);
}

void GraphCache::ReleaseAll(c10::Device device) {
  std::lock_guard lock(TheCaches().mutex);
  for (GraphCache* cache : TheCaches().all) {
    if (cache->device_ == device) cache->Release();
  }
}

void GraphCache::Release() {
  std::lock_guard lock(mutex_);
  for (auto& [key, counted] : entries_) counted = {-kCallsWithout, {}};
  for (auto& [shape, counted] : places_) counted = {-kCallsWithout, nullptr};
  place_bytes_ = 0;
  memory_.reset();
}

GraphMemory& GraphCache::Memory(DeviceBackend& backend) {
  if (memory_ == nullptr) memory_ = backend.Graphs(device_);
  return *memory_;
}

at::Tensor GraphCache::Run(const std::string& method, const at::Tensor& input,
                           const std::function<at::Tensor(const at::Tensor&)>& run) {
  DeviceBackend* backend = BackendOf(device_);
  if (backend == nullptr || input.size(0) > kLargestBatch) return run(input);
  std::lock_guard lock(mutex_);
  auto key = std::make_pair(method, input.sizes().vec());
  if (entries_.size() >= kMostGraphs && entries_.count(key) == 0) return run(input);
  Counted& counted = entries_[key];
  // The first call of a shape also tells whether it fits into memory: recording is no place to
  // learn.
  if (counted.runs++ <= 0) return run(input);
  auto work = [run](const at::Tensor& tensor) { return std::vector<at::Tensor>{run(tensor)}; };
  return counted.entry.Run(Memory(*backend), input, work)[0];
}

GraphPlace* GraphCache::PlaceFor(const std::vector<int64_t>& shape, int64_t bytes) {
  DeviceBackend* backend = BackendOf(device_);
  if (backend == nullptr) return nullptr;
  std::lock_guard lock(mutex_);
  CountedPlace& counted = places_[shape];
  // As above: the first call tells whether it fits.
  if (counted.calls++ <= 0 || counted.place != nullptr) return counted.place.get();
  auto made = std::count_if(places_.begin(), places_.end(),
                            [](const auto& item) { return item.second.place != nullptr; });
  bool fits = place_bytes_ + bytes <= backend->Capacity(device_) / kPartOfMemory;
  if (static_cast<size_t>(made) >= kMostPlaces || !fits) return nullptr;
  counted.place = std::make_unique<GraphPlace>();
  place_bytes_ += bytes;
  return counted.place.get();
}

void GraphCache::Allocate(const std::function<void()>& work) {
  Memory(*BackendOf(device_)).Allocate(work);
}

std::vector<at::Tensor> GraphCache::RunOn(GraphPlace& place, const std::string& name,
                                          std::vector<int64_t> key, const at::Tensor& input,
                                          const GraphEntry::Work& work) {
  GraphEntry& entry = place.entries[{name, std::move(key)}];
  return entry.Run(Memory(*BackendOf(device_)), input, work);
}

}  // namespace clip_blip
