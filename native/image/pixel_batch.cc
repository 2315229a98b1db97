#include "image/pixel_batch.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/core/thread_pool.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <latch>
#include <utility>

namespace clip_blip {
namespace {

/// Bytes of a chunk. While it crosses the bus, the next one is copied.
constexpr int64_t kChunk = 8 << 20;
/// Maximum number of chunks in flight, so that pinned memory stays below 64 MiB.
constexpr size_t kMaxChunks = 8;
/// Threads that copy, the caller's among them: half of those that this process may use. Four copy
/// 18 GB/s, a third of what the bus takes (measured beside an H100).
int64_t ThreadCount() {
  static const int64_t count = std::clamp(at::get_num_threads() / 2, 2, 8);
  return count;
}
/// Bytes per thread from which one more thread pays.
constexpr int64_t kBytesATask = 1 << 20;

/// Threads that sleep when there is nothing to do. OpenMP's go on spinning for milliseconds, one on
/// every core, which decoding and the event loop have a better use for.
c10::ThreadPool& Helpers() {
  // Leaked: they still wait when static objects are destroyed.
  static auto* helpers = new c10::ThreadPool(static_cast<int>(ThreadCount() - 1));
  return *helpers;
}

/// Pictures from `begin` on, one behind the other.
void CopyPictures(const PixelBatch& batch, int64_t begin, int64_t count, uint8_t* to) {
  int64_t picture_bytes = batch.height * batch.width * 3;
  auto copy = [&](int64_t from, int64_t end) {
    for (int64_t i = from; i < end; ++i) {
      std::memcpy(to + i * picture_bytes, batch.pixels[static_cast<size_t>(begin + i)],
                  static_cast<size_t>(picture_bytes));
    }
  };
  int64_t tasks = std::min({count, count * picture_bytes / kBytesATask, ThreadCount()});
  if (tasks <= 1) return copy(0, count);
  std::latch copied(tasks - 1);
  for (int64_t task = 1; task < tasks; ++task) {
    Helpers().run([&, task] {
      copy(task * count / tasks, (task + 1) * count / tasks);
      copied.count_down();
    });
  }
  copy(0, count / tasks);
  copied.wait();
}

}  // namespace

void UploadPixels(const PixelBatch& batch, const at::Tensor& uploaded) {
  c10::Device device = uploaded.device();
  int64_t pictures = uploaded.size(0);
  auto options = at::TensorOptions().dtype(at::kByte);
  int64_t chunk = std::max<int64_t>(1, kChunk / (batch.height * batch.width * 3));
  c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  std::deque<std::pair<at::Tensor, c10::Event>> under_way;
  for (int64_t begin = 0; begin < pictures; begin += chunk) {
    int64_t count = std::min(chunk, pictures - begin);
    if (under_way.size() == kMaxChunks) {
      under_way.front().second.synchronize();
      under_way.pop_front();
    }
    at::Tensor bytes =
        at::empty({count, batch.height, batch.width, 3}, options.pinned_memory(true));
    CopyPictures(batch, begin, count, bytes.mutable_data_ptr<uint8_t>());
    uploaded.narrow(0, begin, count).copy_(bytes, /*non_blocking=*/true);
    c10::Event arrived(device.type());
    arrived.record(stream);
    under_way.emplace_back(std::move(bytes), std::move(arrived));
  }
}

}  // namespace clip_blip
