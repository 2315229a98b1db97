#include "upload_pixels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>

namespace clip_blip {
namespace {

/// Bytes that are copied at a time: while they cross the bus, the next ones are copied.
constexpr int64_t kChunk = 8 << 20;
/// Chunks that are under way at most, so that pinned memory stays below 64 MiB.
constexpr size_t kMostChunks = 8;
/// Bytes from which on a thread more pays.
constexpr int64_t kBytesATask = 2 << 20;

/// Pictures from `begin` on, one behind the other.
void CopyPictures(const PixelBatch& batch, int64_t begin, int64_t count, uint8_t* to,
                  Threads threads) {
  int64_t picture_bytes = batch.height * batch.width * 3;
  auto copy = [&](int64_t from, int64_t end) {
    for (int64_t i = from; i < end; ++i) {
      std::memcpy(to + i * picture_bytes, batch.pixels[static_cast<size_t>(begin + i)],
                  static_cast<size_t>(picture_bytes));
    }
  };
  if (threads == Threads::kThisOne) {
    copy(0, count);
  } else {
    at::parallel_for(0, count, std::max<int64_t>(1, kBytesATask / picture_bytes), copy);
  }
}

}  // namespace

void UploadPixels(const PixelBatch& batch, const at::Tensor& uploaded, Threads threads) {
  c10::Device device = uploaded.device();
  int64_t pictures = uploaded.size(0);
  auto options = at::TensorOptions().dtype(at::kByte);
  int64_t chunk = std::max<int64_t>(1, kChunk / (batch.height * batch.width * 3));
  c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  std::deque<std::pair<at::Tensor, c10::Event>> under_way;
  for (int64_t begin = 0; begin < pictures; begin += chunk) {
    int64_t count = std::min(chunk, pictures - begin);
    if (under_way.size() == kMostChunks) {
      under_way.front().second.synchronize();
      under_way.pop_front();
    }
    at::Tensor bytes =
        at::empty({count, batch.height, batch.width, 3}, options.pinned_memory(true));
    CopyPictures(batch, begin, count, bytes.mutable_data_ptr<uint8_t>(), threads);
    uploaded.narrow(0, begin, count).copy_(bytes, /*non_blocking=*/true);
    c10::Event arrived(device.type());
    arrived.record(stream);
    under_way.emplace_back(std::move(bytes), std::move(arrived));
  }
}

}  // namespace clip_blip
