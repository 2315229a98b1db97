#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "model/loaded_module.h"
#include "tasks/generation/settings.h"
#include "tasks/tasks.h"

namespace clip_blip {

/// Throws INVALID_ARGUMENT for prompts and options that cannot be run.
void CheckGeneration(const LoadedModule& module, const std::vector<Prompt>& prompts,
                     const GenerationSettings& options);

/// Appends what the memory of a call depends on: the greatest length, and the texts of a picture.
void AddShape(const std::vector<Prompt>& prompts, const GenerationSettings& options,
              std::vector<int64_t>& shape);

/// Writes `num_return_sequences` texts for each prompt, about `states` [P, N, V], of which those in
/// `mask` [P, N] count, or all. Without their peak of memory.
GenerationResult WriteTexts(const LoadedModule& module, at::Tensor states,
                            std::optional<at::Tensor> mask, const std::vector<Prompt>& prompts,
                            const GenerationSettings& options);

}  // namespace clip_blip
