#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "device/device_backend.h"

namespace clip_blip {

/// The input of work: a tensor of these sizes, which `fill` fills for each run.
struct GraphInput {
  std::vector<int64_t> sizes;
  at::TensorOptions options;
  std::function<void(const at::Tensor&)> fill;

  /// A copy of a tensor.
  static GraphInput CopyOf(const at::Tensor& tensor);
  /// For work that reads only tensors which stay where they are.
  static GraphInput None();

  at::Tensor Make() const;
};

/// Recorded work from one tensor to several. Its input and its outputs stay where they are.
class GraphEntry {
 public:
  using Work = std::function<std::vector<at::Tensor>(const at::Tensor&)>;
  /// Called before a recording, which runs the work once more. Returns what undoes that. Empty if
  /// running it again changes nothing.
  using Remember = std::function<std::function<void()>()>;

  /// `work(input)` from its graph, which is recorded first if that has not been tried. Empty if
  /// there is no graph. The results are valid until the next replay of any graph of the device.
  std::optional<std::vector<at::Tensor>> Run(GraphMemory& memory, const GraphInput& input,
                                             const Work& work, const Remember& remember = {});

 private:
  void Record(GraphMemory& memory, const GraphInput& input, const Work& work);

  bool failed_ = false;
  at::Tensor input_;
  std::vector<at::Tensor> outputs_;
  // After the tensors, so that it is destroyed before the memory that it works on.
  std::unique_ptr<RecordedGraph> graph_;
};

/// Tensors that stay where they are from call to call, and the graphs that work on them.
struct GraphPlace {
  std::vector<at::Tensor> tensors;
  /// Another owner of such tensors.
  std::shared_ptr<void> owner;
  // After these, as above. By the work's name and what else it depends on.
  std::map<std::pair<std::string, std::vector<int64_t>>, GraphEntry> entries;
};

/// The recorded graphs of one module. Starting about 100 kernels one by one takes longer than the
/// work of a small batch; starting them as one graph does not. Large batches gain nothing: with an
/// H100 it took 2.4 ms to start the kernels of ViT-B/32, as long as its work on some 90 pictures.
class GraphCache {
 public:
  /// While it exists, a cache records, replays and counts nothing. With null it has no effect.
  class Pause {
   public:
    explicit Pause(GraphCache* cache) : cache_(cache) { Set(true); }
    ~Pause() { Set(false); }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    void Set(bool paused) {
      if (cache_ == nullptr) return;
      std::lock_guard lock(cache_->mutex_);
      cache_->paused_ = paused;
    }

    GraphCache* cache_;
  };

  /// Records nothing until it is enabled.
  explicit GraphCache(c10::Device device);
  ~GraphCache();
  GraphCache(const GraphCache&) = delete;
  GraphCache& operator=(const GraphCache&) = delete;

  /// From now on work is recorded. The caller promises that it stays the same from call to call.
  void Enable();

  /// Gives up all graphs of a device whose memory has run out. On the device's thread, between
  /// calls. For some time nothing is recorded again.
  static void ReleaseAll(c10::Device device);

  /// The same for this module alone.
  void Release();

  /// `run(input)`, from a graph if work of this name has seen the same shape before, or a shape
  /// that is padded to the same number of rows. The result is valid until the next call. The rows
  /// of `run` must not depend on each other.
  at::Tensor Run(const std::string& name, const GraphInput& input,
                 const std::function<at::Tensor(const at::Tensor&)>& run);

  /// A place for work of this kind, which will keep about `bytes`. Null on the first call, and if
  /// that is too large a part of the device's memory. It may replace a place that has not been used
  /// for long.
  GraphPlace* PlaceFor(const std::vector<int64_t>& kind, int64_t bytes);

  /// Runs `work`, whose tensors become part of a place.
  void Allocate(const std::function<void()>& work);

  /// `work(input)` on a place, from a graph if it can be recorded.
  std::vector<at::Tensor> RunOn(GraphPlace& place, const std::string& name,
                                std::vector<int64_t> key, const GraphInput& input,
                                const GraphEntry::Work& work,
                                const GraphEntry::Remember& remember = {});

  /// Up to this many rows there is a graph for each number of rows, above it for its multiples.
  static constexpr int64_t kRowsAGraph = 8;
  /// Maximum rows of a recorded call; places have a limit of their own.
  static constexpr int64_t kMaxRows = 64;
  /// A call that takes more bytes than this has so much to do that starting its kernels does not
  /// matter: 64 pictures of ViT-B/32 take 38 MiB, 8 of ViT-L/14 take 25.
  static constexpr int64_t kMaxBytes = 48 << 20;
  /// Maximum number of recorded shapes: texts have a length, too.
  static constexpr size_t kMaxGraphs = 32;
  static constexpr size_t kMaxPlaces = 8;
  /// All places together keep at most 1 / kPartOfMemory of the device's memory.
  static constexpr int64_t kPartOfMemory = 32;
  /// Calls of a shape without graphs after memory has run out; and calls of others after which a
  /// place may go.
  static constexpr int64_t kCallsWithout = 64;
  /// Maximum number of kinds whose calls are counted.
  static constexpr size_t kMaxKinds = 1024;

 private:
  struct Counted {
    int64_t runs = 0;
    bool is_large = false;
    GraphEntry entry;
  };
  struct CountedPlace {
    int64_t calls = 0;
    /// When it was last asked for, in calls of all kinds.
    int64_t last = 0;
    int64_t bytes = 0;
    std::unique_ptr<GraphPlace> place;
  };

  bool HasRoomFor(int64_t bytes, int64_t capacity);
  GraphMemory& Memory(DeviceBackend& backend);

  c10::Device device_;
  std::mutex mutex_;
  // Ahead of what lies in it.
  std::shared_ptr<GraphMemory> memory_;
  std::map<std::pair<std::string, std::vector<int64_t>>, Counted> entries_;
  std::map<std::vector<int64_t>, CountedPlace> places_;
  int64_t calls_ = 0;
  bool enabled_ = false, paused_ = false;
};

}  // namespace clip_blip
