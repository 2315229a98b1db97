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

#include "device_backend.h"

namespace clip_blip {

/// Work from one tensor to some, recorded: its input and its outputs stay where they are.
class GraphEntry {
 public:
  using Work = std::function<std::vector<at::Tensor>(const at::Tensor&)>;

  /// `work(input)`, recorded first where that has not been tried. The results are good until the
  /// next replay of any graph of the device.
  std::vector<at::Tensor> Run(GraphMemory& memory, const at::Tensor& input, const Work& work);

 private:
  void Record(GraphMemory& memory, const at::Tensor& input, const Work& work);

  bool failed_ = false;
  at::Tensor input_;
  std::vector<at::Tensor> outputs_;
  // After the tensors: it goes before the memory that it works on.
  std::unique_ptr<RecordedGraph> graph_;
};

/// Tensors that stay where they are from call to call, and the graphs that work on them.
struct GraphPlace {
  std::vector<at::Tensor> tensors;
  // After the tensors, as above. By the work's name and what else it depends on.
  std::map<std::pair<std::string, std::vector<int64_t>>, GraphEntry> entries;
};

/// The recorded graphs of one module. Starting some 150 small kernels one by one takes longer than
/// a small batch's work; as one graph it does not. Large batches have nothing to gain.
class GraphCache {
 public:
  explicit GraphCache(c10::Device device);
  ~GraphCache();
  GraphCache(const GraphCache&) = delete;
  GraphCache& operator=(const GraphCache&) = delete;

  /// Gives up everything that is recorded on a device, whose memory has run out. On the device's
  /// thread, with no call amid its work. It is some time before anything is recorded again.
  static void ReleaseAll(c10::Device device);

  /// `run(input)`, from a graph once the same method has met the same shape before. The result is
  /// good until the next call.
  at::Tensor Run(const std::string& method, const at::Tensor& input,
                 const std::function<at::Tensor(const at::Tensor&)>& run);

  /// A place for work of this shape, which will keep about `bytes`: from its second call on, and
  /// where that is a small part of the device's memory. Null elsewhere.
  GraphPlace* PlaceFor(const std::vector<int64_t>& shape, int64_t bytes);

  /// Runs `work`, whose tensors become part of a place.
  void Allocate(const std::function<void()>& work);

  /// `work(input)` on a place, from a graph where it can be recorded.
  std::vector<at::Tensor> RunOn(GraphPlace& place, const std::string& name,
                                std::vector<int64_t> key, const at::Tensor& input,
                                const GraphEntry::Work& work);

  /// Rows from which on nothing is recorded; places have a bound of their own.
  static constexpr int64_t kLargestBatch = 8;
  /// Shapes that are recorded at most: texts have a length, too.
  static constexpr size_t kMostGraphs = 32;
  static constexpr size_t kMostPlaces = 8;
  /// All places together keep this part of the device's memory at most.
  static constexpr int64_t kPartOfMemory = 32;
  /// Calls of a shape without graphs after memory has run out.
  static constexpr int64_t kCallsWithout = 64;

 private:
  struct Counted {
    int64_t runs = 0;
    GraphEntry entry;
  };
  struct CountedPlace {
    int64_t calls = 0;
    std::unique_ptr<GraphPlace> place;
  };

  void Release();
  GraphMemory& Memory(DeviceBackend& backend);

  c10::Device device_;
  std::mutex mutex_;
  // Ahead of what lies in it.
  std::shared_ptr<GraphMemory> memory_;
  std::map<std::pair<std::string, std::vector<int64_t>>, Counted> entries_;
  std::map<std::vector<int64_t>, CountedPlace> places_;
  int64_t place_bytes_ = 0;
};

}  // namespace clip_blip
