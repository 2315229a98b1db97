#include <ATen/ATen.h>

#include <functional>
#include <string>

#include "model/loaded_module.h"
#include "model/module_call.h"
#include "tasks/encode_pictures.h"
#include "tasks/tasks.h"
#include "tasks/texts.h"

namespace clip_blip {
namespace {

[[noreturn]] void RefuseVectors() {
  throw Failure(ErrorCode::kModelInvalid,
                "The model's encoder did not return one vector for each row");
}

/// Vectors as they are returned: in float32 whatever the model's dtype, and so is their norm.
std::function<at::Tensor(const at::Tensor&)> Finish(bool l2_normalize) {
  return [l2_normalize](const at::Tensor& output) {
    if (output.dim() != 2) RefuseVectors();
    if (!l2_normalize) return output.to(at::kFloat);
    // The quotient has the type of the norm.
    return output / at::linalg_vector_norm(output, 2, {-1}, /*keepdim=*/true, at::kFloat);
  };
}

/// What is recorded with one finish is of no use to the other.
std::string NameOf(const char* method, bool l2_normalize) {
  return l2_normalize ? std::string(method) + ", of length 1" : method;
}

void TakeOff(const at::Tensor& vectors, int64_t rows, EmbeddingResult& result) {
  if (vectors.size(0) != rows) RefuseVectors();
  result.dimension = vectors.size(1);
  result.data.resize(static_cast<size_t>(vectors.numel()));
  at::from_blob(result.data.data(), vectors.sizes(), at::TensorOptions().dtype(at::kFloat))
      .copy_(vectors);
}

}  // namespace

EmbeddingResult EncodeImages(const LoadedModule& module, const PixelBatch& batch, bool l2_normalize,
                             const RunOptions& options) {
  EmbeddingResult result;
  CallShape shape{"encode_image", ShapeOf(batch)};
  int64_t rows = static_cast<int64_t>(batch.pixels.size());
  PixelStage::Ahead ahead(module.pixel_stage(), batch);
  result.peak_bytes = CallModule(module, shape, options, [&] {
    TakeOff(
        EncodePictures(module, batch, NameOf("encode_image", l2_normalize), Finish(l2_normalize)),
        rows, result);
  });
  return result;
}

EmbeddingResult EncodeTexts(const LoadedModule& module, const std::vector<int32_t>& ids,
                            int64_t rows, bool l2_normalize, const RunOptions& options) {
  CheckTokenIds(module, ids);
  EmbeddingResult result;
  int64_t length = static_cast<int64_t>(ids.size()) / rows;
  CallShape shape{"encode_text", {rows, length}};
  GraphInput input{{rows, length},
                   at::TensorOptions().dtype(at::kLong).device(module.device()),
                   [&](const at::Tensor& target) { FillTokenIds(target, ids); }};
  auto run = [&module, finish = Finish(l2_normalize)](const at::Tensor& uploaded) {
    return finish(AsTensor("encode_text", module.Run("encode_text", {uploaded})));
  };
  result.peak_bytes = CallModule(module, shape, options, [&] {
    TakeOff(module.graphs().Run(NameOf("encode_text", l2_normalize), input, run), rows, result);
  });
  return result;
}

}  // namespace clip_blip
