#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "model/loaded_module.h"
#include "model/module_call.h"
#include "tasks/encode_pictures.h"
#include "tasks/generation/write_texts.h"
#include "tasks/tasks.h"
#include "tasks/texts.h"

namespace clip_blip {
namespace {

bool OfOneLength(const std::vector<std::vector<int32_t>>& texts) {
  return std::all_of(texts.begin(), texts.end(),
                     [&](const auto& text) { return text.size() == texts.front().size(); });
}

}  // namespace

GenerationResult Answer(const LoadedModule& module, const PixelBatch& batch,
                        const TextsAboutPictures& questions, const std::vector<Prompt>& prompts,
                        const GenerationSettings& generation, const RunOptions& options) {
  CheckTexts(module, questions, batch.pixels.size());
  CheckGeneration(module, prompts, generation);
  GenerationResult result;
  CallShape shape{"answer", ShapeOf(batch)};
  AddShape(questions, shape.second);
  AddShape(prompts, generation, shape.second);
  int64_t peak_bytes = CallModule(module, shape, options, [&] {
    at::Tensor pictures = EncodePictures(module, batch);
    TextBatch texts = UploadTexts(module, questions.texts);
    at::Tensor states = module
                            .Run("read_beside", {texts.ids, texts.mask, pictures,
                                                 UploadPictureIndices(module, questions.picture)})
                            .toTensor();
    pictures.reset();
    // Each question is answered as if alone: what it is filled up with is not looked at.
    std::optional<at::Tensor> mask;
    if (!OfOneLength(questions.texts)) mask = texts.mask;
    result = WriteTexts(module, std::move(states), std::move(mask), prompts, generation);
  });
  result.peak_bytes = peak_bytes;
  return result;
}

}  // namespace clip_blip
