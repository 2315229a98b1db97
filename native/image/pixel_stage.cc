#include "image/pixel_stage.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

#include "device/device_thread.h"
#include "device/failure.h"
#include "device/graph_cache.h"
#include "image/pixel_batch.h"

namespace clip_blip {
namespace {

/// Bytes below which a batch is there before it could have been brought ahead.
constexpr int64_t kMinBytes = 4 << 20;

}  // namespace

PixelStage::PixelStage(c10::Device device)
    : device_(device),
      stream_(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device)) {}

PixelStage::Ahead::Ahead(PixelStage* stage, const PixelBatch& batch)
    : stage_(stage), batch_(batch) {
  if (stage_ != nullptr) stage_->Bring(batch_);
}

PixelStage::Ahead::~Ahead() {
  if (stage_ != nullptr) stage_->Leave(batch_);
}

void PixelStage::Bring(const PixelBatch& batch) {
  int64_t bytes = c10::multiply_integers(ShapeOf(batch));
  if (bytes < kMinBytes || !IsBusy(device_)) return;
  at::Tensor place;
  {
    std::unique_lock lock(mutex_);
    // Its call is the next one on the device.
    left_.wait(lock, [this] { return owner_ == nullptr; });
    if (!room_.defined() || room_.numel() < bytes) {
      missed_ = {&batch, bytes};
      return;
    }
    owner_ = &batch;
    place = PlaceFor(batch);
  }
  std::optional<Failure> failure = Attempt([&] {
    c10::InferenceMode inference;
    c10::StreamGuard guard(stream_);
    if (read_) read_->block(stream_);
    UploadPixels(batch, place);
    arrived_.emplace(device_.type());
    arrived_->record(stream_);
  });
  // The call uploads them itself, and meets the same fault if it lasts.
  if (failure) Leave(batch);
}

bool PixelStage::CopyTo(const PixelBatch& batch, const at::Tensor& bytes) {
  std::lock_guard lock(mutex_);
  // Its turn has come: nothing is left to miss.
  if (missed_.batch == &batch) missed_ = {};
  if (owner_ != &batch) return false;
  c10::Stream stream = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
  arrived_->block(stream);
  bytes.copy_(PlaceFor(batch), /*non_blocking=*/true);
  read_.emplace(device_.type());
  read_->record(stream);
  owner_ = nullptr;
  left_.notify_all();
  return true;
}

void PixelStage::EndCall(bool kept) {
  std::lock_guard lock(mutex_);
  if (calls_without_ > 0) --calls_without_;
  int64_t missed = std::exchange(missed_, {}).bytes;
  if (owner_ != nullptr) return;
  if (missed == 0 && kept) return;
  GiveUp();
  if (missed == 0 || calls_without_ > 0) return;
  // Apart: it must not lie among what goes back after a call.
  memory_ = BackendOf(device_)->MemoryApart(device_);
  std::optional<Failure> failure = Attempt([&] {
    memory_->Allocate(
        [&] { room_ = at::empty({missed}, at::TensorOptions().dtype(at::kByte).device(device_)); });
  });
  if (!failure) return;
  GiveUp();
  calls_without_ = GraphCache::kCallsWithout;
}

void PixelStage::Release() {
  std::lock_guard lock(mutex_);
  if (owner_ != nullptr) return;
  GiveUp();
  calls_without_ = GraphCache::kCallsWithout;
}

void PixelStage::GiveUp() {
  room_.reset();
  memory_.reset();
}

void PixelStage::Leave(const PixelBatch& batch) {
  std::lock_guard lock(mutex_);
  if (owner_ != &batch) return;
  // Nobody will read them, and the memory may go: not amid a copy to it.
  Attempt([this] { stream_.synchronize(); });
  owner_ = nullptr;
  left_.notify_all();
}

at::Tensor PixelStage::PlaceFor(const PixelBatch& batch) const {
  std::vector<int64_t> shape = ShapeOf(batch);
  return room_.narrow(0, 0, c10::multiply_integers(shape)).view(shape);
}

}  // namespace clip_blip
