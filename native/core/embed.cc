#include "embed.h"

#include <ATen/ATen.h>

#include "device_call.h"
#include "loaded_module.h"
#include "pixels.h"
#include "token_ids.h"

namespace clip_blip {
namespace {

/// Takes the rows off the device; the norm is computed there, in float32 whatever the model's
/// dtype.
void Download(const at::Tensor& output, int64_t rows, bool l2_normalize, EmbeddingResult& result) {
  if (output.dim() != 2 || output.size(0) != rows) {
    throw Failure(ErrorCode::kModelInvalid,
                  "The model's encoder did not return one vector for each row");
  }
  at::Tensor vectors = output.to(at::kFloat);
  if (l2_normalize) vectors = vectors / at::linalg_vector_norm(vectors, 2, {-1}, /*keepdim=*/true);
  result.dimension = vectors.size(1);
  result.data.resize(static_cast<size_t>(rows * result.dimension));
  at::from_blob(result.data.data(), {rows, result.dimension}, at::TensorOptions().dtype(at::kFloat))
      .copy_(vectors);
}

}  // namespace

EmbeddingResult EncodeImages(const LoadedModule& module, const PixelBatch& batch, bool l2_normalize,
                             const RunOptions& options) {
  EmbeddingResult result;
  CallShape shape{"encode_image", ShapeOf(batch)};
  result.peak_bytes = CallOnDevice(module, shape, options, [&] {
    at::Tensor output = module.RunTensor("encode_image", UploadPixels(module, batch));
    Download(output, static_cast<int64_t>(batch.pixels.size()), l2_normalize, result);
  });
  return result;
}

EmbeddingResult EncodeTexts(const LoadedModule& module, const std::vector<int32_t>& ids,
                            int64_t rows, bool l2_normalize, const RunOptions& options) {
  CheckTokenIds(module, ids);
  EmbeddingResult result;
  int64_t length = static_cast<int64_t>(ids.size()) / rows;
  CallShape shape{"encode_text", {rows, length}};
  result.peak_bytes = CallOnDevice(module, shape, options, [&] {
    at::Tensor output =
        module.RunTensor("encode_text", UploadTokenIds(module, ids, {rows, length}));
    Download(output, rows, l2_normalize, result);
  });
  return result;
}

}  // namespace clip_blip
