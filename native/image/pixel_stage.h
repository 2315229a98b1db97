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

/// Memory of a device in which the pixels of a large batch arrive while it works on the batch
/// before: they come on a stream of their own, and their call copies them from there, which takes a
/// hundredth of the time. One batch has it from its upload to that copy.
class PixelStage {
 public:
  explicit PixelStage(c10::Device device);

  /// A batch that is brought ahead of its call, where that pays and there is room, for as long as
  /// this is there. On the thread that then waits for the call.
  class Ahead {
   public:
    /// A null stage: it does nothing.
    Ahead(PixelStage* stage, const PixelBatch& batch);
    ~Ahead();
    Ahead(const Ahead&) = delete;
    Ahead& operator=(const Ahead&) = delete;

   private:
    PixelStage* stage_;
    const PixelBatch& batch_;
  };

  // On the device's thread.

  /// Copies the batch to `bytes`, in the order of the current stream, where it has been brought.
  bool CopyTo(const PixelBatch& batch, const at::Tensor& bytes);
  /// At the end of a call: makes the room that a batch has missed meanwhile. Where none has come it
  /// goes, with the rest of what a call leaves, unless that is `kept`.
  void EndCall(bool kept);

  /// Gives the room up, where no batch has it: memory has run out.
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
