#include <ATen/ATen.h>

#include <utility>

#include "model/loaded_module.h"
#include "model/module_call.h"
#include "tasks/encode_pictures.h"
#include "tasks/generation/write_texts.h"
#include "tasks/tasks.h"

namespace clip_blip {

GenerationResult Caption(const LoadedModule& module, const PixelBatch& batch,
                         const std::vector<Prompt>& prompts, const GenerationSettings& generation,
                         const RunOptions& options) {
  CheckGeneration(module, prompts, generation);
  GenerationResult result;
  CallShape shape{"caption", ShapeOf(batch)};
  AddShape(prompts, generation, shape.second);
  int64_t peak_bytes = CallModule(module, shape, options, [&] {
    at::Tensor states = EncodePictures(module, batch);
    result = WriteTexts(module, std::move(states), std::nullopt, prompts, generation);
  });
  result.peak_bytes = peak_bytes;
  return result;
}

}  // namespace clip_blip
