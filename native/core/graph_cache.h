#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "graph_backend.h"

namespace clip_blip {

/// The recorded graphs of one module. Starting some 150 small kernels one by one takes longer than
/// a small batch's work; as one graph it does not. Large batches have nothing to gain.
class GraphCache {
 public:
  explicit GraphCache(c10::Device device) : device_(device) {}

  /// `run(input)`, from a graph once the same method has met the same shape before. The result is
  /// good until the next call.
  at::Tensor Run(const std::string& method, const at::Tensor& input,
                 const std::function<at::Tensor(const at::Tensor&)>& run);

  /// Rows from which on nothing is recorded.
  static constexpr int64_t kLargestBatch = 8;
  /// Shapes that are recorded at most: texts have a length, too.
  static constexpr size_t kMostGraphs = 32;

 private:
  struct Entry {
    int64_t runs = 0;
    bool failed = false;
    at::Tensor input, output;
    // After the tensors: it goes before the memory that it works on.
    std::unique_ptr<RecordedGraph> graph;
  };

  void Record(GraphBackend& backend, Entry& entry, const at::Tensor& input,
              const std::function<at::Tensor(const at::Tensor&)>& run);

  c10::Device device_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::vector<int64_t>>, Entry> entries_;
};

}  // namespace clip_blip
