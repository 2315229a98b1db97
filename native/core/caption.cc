#include "caption.h"

#include <ATen/ATen.h>

#include <utility>

#include "device_call.h"
#include "generation/write_texts.h"
#include "loaded_module.h"
#include "pixels.h"

namespace clip_blip {

GenerationResult Caption(const LoadedModule& module, const PixelBatch& batch,
                         const std::vector<Prompt>& prompts, const GenerationOptions& generation,
                         const RunOptions& options) {
  CheckGeneration(module, prompts, generation);
  GenerationResult result;
  CallShape shape{"caption", ShapeOf(batch)};
  AddShape(prompts, generation, shape.second);
  int64_t peak_bytes = CallOnDevice(module, shape, options, [&] {
    at::Tensor states = EncodePictures(module, batch);
    result = WriteTexts(module, std::move(states), std::nullopt, prompts, generation);
  });
  result.peak_bytes = peak_bytes;
  return result;
}

}  // namespace clip_blip
