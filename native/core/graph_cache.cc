#include "graph_cache.h"

#include "failure.h"

namespace clip_blip {

at::Tensor GraphCache::Run(const std::string& method, const at::Tensor& input,
                           const std::function<at::Tensor(const at::Tensor&)>& run) {
  GraphBackend* backend = GraphBackendFor(device_);
  if (backend == nullptr || input.size(0) > kLargestBatch) return run(input);
  std::lock_guard lock(mutex_);
  auto key = std::make_pair(method, input.sizes().vec());
  if (entries_.size() >= kMostGraphs && entries_.count(key) == 0) return run(input);
  Entry& entry = entries_[key];
  // The first call of a shape also tells whether it fits into memory: recording is no place to
  // learn.
  if (entry.failed || entry.runs++ == 0) return run(input);
  if (entry.graph == nullptr) Record(*backend, entry, input, run);
  if (entry.graph == nullptr) return run(input);
  entry.input.copy_(input, /*non_blocking=*/true);
  entry.graph->Replay();
  return entry.output;
}

void GraphCache::Record(GraphBackend& backend, Entry& entry, const at::Tensor& input,
                        const std::function<at::Tensor(const at::Tensor&)>& run) {
  std::optional<Failure> failure = Attempt([&] {
    entry.input = input.clone();
    entry.graph = backend.Record(device_, [&entry, run] { entry.output = run(entry.input); });
  });
  if (!failure) return;
  entry.failed = true;
  entry.graph.reset();
  entry.input.reset();
  entry.output.reset();
  if (failure->code() == ErrorCode::kDeviceLost) throw *failure;
}

}  // namespace clip_blip
