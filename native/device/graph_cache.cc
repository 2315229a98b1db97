#include "device/graph_cache.h"

#include <ATen/ATen.h>

#include <set>

#include "device/failure.h"
#include "device/memory.h"

namespace clip_blip {

GraphInput GraphInput::CopyOf(const at::Tensor& tensor) {
  return {tensor.sizes().vec(), tensor.options(),
          [tensor](const at::Tensor& target) { target.copy_(tensor, /*non_blocking=*/true); }};
}

GraphInput GraphInput::None() {
  return {{0}, at::TensorOptions(), [](const at::Tensor&) {}};
}

at::Tensor GraphInput::Make() const {
  at::Tensor made = at::empty(sizes, options);
  fill(made);
  return made;
}

std::optional<std::vector<at::Tensor>> GraphEntry::Run(GraphMemory& memory, const GraphInput& input,
                                                       const Work& work, const Remember& remember) {
  if (graph_ != nullptr) {
    input.fill(input_);
  } else if (!failed_) {
    std::function<void()> undo = remember ? remember() : [] {};
    Record(memory, input, work);
    undo();
  }
  if (graph_ == nullptr) return std::nullopt;
  graph_->Replay();
  return outputs_;
}

void GraphEntry::Record(GraphMemory& memory, const GraphInput& input, const Work& work) {
  std::optional<Failure> failure = Attempt([&] {
    memory.Allocate([&] { input_ = at::empty(input.sizes, input.options); });
    input.fill(input_);
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

/// With as many rows as there are graphs for; those behind the input's own are zeros, which any
/// model takes.
GraphInput FilledUp(const GraphInput& input) {
  constexpr int64_t kStep = GraphCache::kRowsAGraph;
  int64_t rows = input.sizes[0];
  int64_t recorded = rows <= kStep ? rows : (rows + kStep - 1) / kStep * kStep;
  if (recorded == rows) return input;
  GraphInput filled_up = input;
  filled_up.sizes[0] = recorded;
  filled_up.fill = [fill = input.fill, rows, recorded](const at::Tensor& target) {
    fill(target.narrow(0, 0, rows));
    target.narrow(0, rows, recorded - rows).zero_();
  };
  return filled_up;
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

void GraphCache::Enable() {
  std::lock_guard lock(mutex_);
  enabled_ = true;
}

void GraphCache::ReleaseAll(c10::Device device) {
  std::lock_guard lock(TheCaches().mutex);
  for (GraphCache* cache : TheCaches().all) {
    if (cache->device_ == device) cache->Release();
  }
}

void GraphCache::Release() {
  std::lock_guard lock(mutex_);
  for (auto& [key, counted] : entries_) {
    counted = {};
    counted.runs = -kCallsWithout;
  }
  for (auto& [kind, counted] : places_) counted = {-kCallsWithout, calls_, 0, nullptr};
  memory_.reset();
}

GraphMemory& GraphCache::Memory(DeviceBackend& backend) {
  if (memory_ == nullptr) memory_ = backend.Graphs(device_);
  return *memory_;
}

at::Tensor GraphCache::Run(const std::string& name, const GraphInput& input,
                           const std::function<at::Tensor(const at::Tensor&)>& run) {
  DeviceBackend* backend = BackendOf(device_);
  if (backend == nullptr || input.sizes[0] > kMaxRows) return run(input.Make());
  std::lock_guard lock(mutex_);
  if (!enabled_ || paused_) return run(input.Make());
  GraphInput filled_up = FilledUp(input);
  auto key = std::make_pair(name, filled_up.sizes);
  if (entries_.size() >= kMaxGraphs && entries_.count(key) == 0) return run(input.Make());
  Counted& counted = entries_[key];
  // The first call of a shape also tells whether it fits into memory: recording is no place to
  // learn.
  if (counted.runs++ <= 0) {
    at::Tensor result = run(input.Make());
    counted.is_large = MemoryScope::PeakBytesSoFar() > kMaxBytes;
    return result;
  }
  if (counted.is_large) return run(input.Make());
  auto work = [run](const at::Tensor& tensor) { return std::vector<at::Tensor>{run(tensor)}; };
  auto outputs = counted.entry.Run(Memory(*backend), filled_up, work);
  return outputs ? (*outputs)[0].narrow(0, 0, input.sizes[0]) : run(input.Make());
}

GraphPlace* GraphCache::PlaceFor(const std::vector<int64_t>& kind, int64_t bytes) {
  DeviceBackend* backend = BackendOf(device_);
  if (backend == nullptr) return nullptr;
  std::lock_guard lock(mutex_);
  if (!enabled_ || paused_) return nullptr;
  if (places_.size() >= kMaxKinds && places_.count(kind) == 0) {
    std::erase_if(places_, [](const auto& item) { return item.second.place == nullptr; });
  }
  CountedPlace& counted = places_[kind];
  counted.last = ++calls_;
  // As above: the first call tells whether it fits.
  if (counted.calls++ <= 0 || counted.place != nullptr) return counted.place.get();
  if (!HasRoomFor(bytes, backend->Capacity(device_) / kPartOfMemory)) return nullptr;
  counted.place = std::make_unique<GraphPlace>();
  counted.bytes = bytes;
  return counted.place.get();
}

/// Makes room by giving up places that nobody has asked for in a while.
bool GraphCache::HasRoomFor(int64_t bytes, int64_t capacity) {
  if (bytes > capacity) return false;
  while (true) {
    size_t made = 0;
    int64_t taken = 0;
    CountedPlace* oldest = nullptr;
    for (auto& [kind, counted] : places_) {
      if (counted.place == nullptr) continue;
      ++made;
      taken += counted.bytes;
      if (oldest == nullptr || counted.last < oldest->last) oldest = &counted;
    }
    if (made < kMaxPlaces && taken + bytes <= capacity) return true;
    if (oldest->last > calls_ - kCallsWithout) return false;
    *oldest = {};
  }
}

void GraphCache::Allocate(const std::function<void()>& work) {
  Memory(*BackendOf(device_)).Allocate(work);
}

std::vector<at::Tensor> GraphCache::RunOn(GraphPlace& place, const std::string& name,
                                          std::vector<int64_t> key, const GraphInput& input,
                                          const GraphEntry::Work& work,
                                          const GraphEntry::Remember& remember) {
  GraphEntry& entry = place.entries[{name, std::move(key)}];
  auto outputs = entry.Run(Memory(*BackendOf(device_)), input, work, remember);
  return outputs ? *outputs : work(input.Make());
}

}  // namespace clip_blip
