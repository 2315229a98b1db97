#pragma once

#include <cstdint>
#include <vector>

#include "device/run_options.h"
#include "image/pixel_batch.h"
#include "tasks/generation/settings.h"

namespace clip_blip {

class LoadedModule;

// What a loaded module is asked for. Each call runs on the device's thread, waits for it, and
// reports the most memory that it held. See lib/native/types.ts.

struct EmbeddingResult {
  std::vector<float> data;
  int64_t dimension = 0;
  int64_t peak_bytes = 0;
};

EmbeddingResult EncodeImages(const LoadedModule& module, const PixelBatch& batch, bool l2_normalize,
                             const RunOptions& options);

/// `ids` is row-major [rows, ids.size() / rows].
EmbeddingResult EncodeTexts(const LoadedModule& module, const std::vector<int32_t>& ids,
                            int64_t rows, bool l2_normalize, const RunOptions& options);

struct GenerationResult {
  std::vector<std::vector<int32_t>> sequences;
  std::vector<float> scores;
  int64_t peak_bytes = 0;
};

/// Captions, one prompt per picture. The module has the methods encode_image, project and decode
/// and the ints text_layers, text_heads and text_head_dim.
GenerationResult Caption(const LoadedModule& module, const PixelBatch& batch,
                         const std::vector<Prompt>& prompts, const GenerationSettings& generation,
                         const RunOptions& options);

/// Texts about pictures: text i is about picture `picture[i]` of the batch.
struct TextsAboutPictures {
  std::vector<std::vector<int32_t>> texts;
  std::vector<int32_t> picture;
};

/// Answers to questions about pictures, one prompt (the beginning of the answer) for each question.
/// The module has the methods encode_image, read_beside, project, decode and decode_masked and the
/// ints text_layers, text_heads and text_head_dim.
GenerationResult Answer(const LoadedModule& module, const PixelBatch& batch,
                        const TextsAboutPictures& questions, const std::vector<Prompt>& prompts,
                        const GenerationSettings& generation, const RunOptions& options);

struct MatchResult {
  std::vector<float> probabilities;
  std::vector<float> similarities;
  int64_t peak_bytes = 0;
};

/// How well texts describe pictures: for each text the probability that it does, and the cosine of
/// the two in the common space. The module has the methods encode_image, match, embed_pictures and
/// embed_texts.
MatchResult Match(const LoadedModule& module, const PixelBatch& batch,
                  const TextsAboutPictures& about, const RunOptions& options);

}  // namespace clip_blip
