#include <utility>

#include "../core/embed.h"
#include "convert.h"
#include "embedding_worker.h"
#include "module_handle.h"
#include "operations.h"

namespace clip_blip {
namespace {

class EncodeImagesWorker final : public EmbeddingWorker {
 public:
  EncodeImagesWorker(Napi::Env env, ModulePointer module, ByteArrays arrays, PixelBatch batch,
                     bool l2_normalize, RunOptions options)
      : EmbeddingWorker(env),
        module_(std::move(module)),
        arrays_(std::move(arrays)),
        batch_(std::move(batch)),
        l2_normalize_(l2_normalize),
        options_(options) {}

 private:
  void Work() override {
    // Given up here, so that the weights of an unloaded module go on this thread.
    ModulePointer module = std::move(module_);
    result_ = EncodeImages(*module, batch_, l2_normalize_, options_);
  }

  ModulePointer module_;
  ByteArrays arrays_;
  PixelBatch batch_;
  bool l2_normalize_;
  RunOptions options_;
};

}  // namespace

Napi::Value EncodeImagesAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  ByteArrays arrays;
  PixelBatch batch = ToPixelBatch(info[1], arrays);
  bool l2_normalize = ToBool(info[2], "l2Normalize");
  RunOptions options = ToRunOptions(info[3]);
  return PromiseWorker::Start<EncodeImagesWorker>(info.Env(), std::move(module), std::move(arrays),
                                                  std::move(batch), l2_normalize, options);
}

}  // namespace clip_blip
