#include <ATen/ATen.h>

#include "device/transfer.h"
#include "model/loaded_module.h"
#include "model/module_call.h"
#include "tasks/encode_pictures.h"
#include "tasks/tasks.h"
#include "tasks/texts.h"

namespace clip_blip {
namespace {

/// Of length 1, in float32 whatever the model's dtype.
at::Tensor Unit(const c10::IValue& output) {
  at::Tensor vectors = output.toTensor().to(at::kFloat);
  return vectors / at::linalg_vector_norm(vectors, 2, {-1}, /*keepdim=*/true);
}

std::vector<float> ToVector(const at::Tensor& numbers) {
  const float* data = numbers.const_data_ptr<float>();
  return std::vector<float>(data, data + numbers.numel());
}

}  // namespace

MatchResult Match(const LoadedModule& module, const PixelBatch& batch,
                  const TextsAboutPictures& about, const RunOptions& options) {
  CheckTexts(module, about, batch.pixels.size());
  MatchResult result;
  CallShape shape{"match", ShapeOf(batch)};
  AddShape(about, shape.second);
  result.peak_bytes = CallModule(module, shape, options, [&] {
    at::Tensor states = EncodePictures(module, batch);
    TextBatch texts = UploadTexts(module, about.texts);
    at::Tensor picture = UploadPictureIndices(module, about.picture);
    at::Tensor scores = module.Run("match", {texts.ids, texts.mask, states, picture}).toTensor();
    if (scores.dim() != 2 || scores.size(0) != texts.ids.size(0) || scores.size(1) != 2) {
      throw Failure(ErrorCode::kModelInvalid, "The model's match() did not return [texts, 2]");
    }
    at::Tensor probabilities = scores.to(at::kFloat).softmax(1).select(1, 1).contiguous();
    at::Tensor images = Unit(module.Run("embed_pictures", {states})).index_select(0, picture);
    at::Tensor cosines = images.mul_(Unit(module.Run("embed_texts", {texts.ids, texts.mask})));
    std::vector<at::Tensor> found = Download({probabilities, cosines.sum(1)});
    result.probabilities = ToVector(found[0]);
    result.similarities = ToVector(found[1]);
  });
  return result;
}

}  // namespace clip_blip
