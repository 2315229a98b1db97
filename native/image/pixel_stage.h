#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "device/device_backend.h"
#include "image/pixel_batch.h"

namespace clip_blip {

/// Memory of a device into which the pixels of a large batch are uploaded while the device works on
/// the batch before. They come on a stream of their own, and their call copies them from there,
/// which takes a hundredth of the time. One batch has the memory from its upload to that copy.
class PixelStage {
 public:
  explicit PixelStage(c10::Device device);

  /// Uploads a batch ahead of its call, if that pays and there is room. It lives as long as the
  /// call, on the thread that waits for it.
  class Ahead {
   public:
    /// With a null stage it does nothing.
    Ahead(PixelStage* stage, const PixelBatch& batch);
    ~Ahead();
    Ahead(const Ahead&) = delete;
    Ahead& operator=(const Ahead&) = delete;

   private:
    PixelStage* stage_;
    const PixelBatch& batch_;
  };

  // On the device's thread.

  /// Copies the batch to `bytes` on the current stream. False if it was not uploaded ahead.
  bool CopyTo(const PixelBatch& batch, const at::Tensor& bytes);
  /// At the end of a call: makes room if a batch has found none meanwhile. Otherwise frees the
  /// memory, like everything that a call leaves, unless that is `kept`.
  void EndCall(bool kept);

  /// Frees the memory, unless a batch has it, since memory has run out.
  void Release();

 private:
  void Bring(const PixelBatch& batch);
  void Leave(const PixelBatch& batch);
  void GiveUp();
  at::Tensor PlaceFor(const PixelBatch& batch) const;

  const c10::Device device_;
  const c10::Stream stream_;
  std::mutex mutex_;
  std::condition_variable left_;
  const PixelBatch* owner_ = nullptr;
  std::shared_ptr<GraphMemory> memory_;
  // After the memory that it is in.
  at::Tensor room_;
  /// The owner is there; the one before it has been copied.
  std::optional<c10::Event> arrived_, read_;
  /// The last batch that there was no room for.
  struct {
    const PixelBatch* batch = nullptr;
    int64_t bytes = 0;
  } missed_;
  /// Calls to come in which no room is made: memory has run out.
  int64_t calls_without_ = 0;
};

}  // namespace clip_blip
