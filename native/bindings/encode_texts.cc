#include <utility>

#include "../core/embed.h"
#include "convert.h"
#include "embedding_worker.h"
#include "module_handle.h"
#include "operations.h"

namespace clip_blip {
namespace {

class EncodeTextsWorker final : public EmbeddingWorker {
 public:
  EncodeTextsWorker(Napi::Env env, ModulePointer module, std::vector<int32_t> ids, int64_t rows,
                    bool l2_normalize, RunOptions options)
      : EmbeddingWorker(env),
        module_(std::move(module)),
        ids_(std::move(ids)),
        rows_(rows),
        l2_normalize_(l2_normalize),
        options_(options) {}

 private:
  void Work() override {
    ModulePointer module = std::move(module_);
    result_ = EncodeTexts(*module, ids_, rows_, l2_normalize_, options_);
  }

  ModulePointer module_;
  std::vector<int32_t> ids_;
  int64_t rows_;
  bool l2_normalize_;
  RunOptions options_;
};

}  // namespace

Napi::Value EncodeTextsAsync(const Napi::CallbackInfo& info) {
  ModulePointer module = UnwrapModule(info[0]);
  std::vector<int32_t> ids = CopyInt32Array(info[1], "ids");
  int64_t rows = ToInt(info[2], "rows", 1, int64_t{1} << 31);
  if (ids.empty() || static_cast<int64_t>(ids.size()) % rows != 0) {
    RefuseValue("ids", "a multiple of rows in length");
  }
  bool l2_normalize = ToBool(info[3], "l2Normalize");
  RunOptions options = ToRunOptions(info[4]);
  return PromiseWorker::Start<EncodeTextsWorker>(info.Env(), std::move(module), std::move(ids),
                                                 rows, l2_normalize, options);
}

}  // namespace clip_blip
