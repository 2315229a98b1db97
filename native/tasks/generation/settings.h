#pragma once

#include <cstdint>
#include <vector>

namespace clip_blip {

// As in lib/native/types.ts, where each field is explained.

enum class EarlyStopping { kNo, kYes, kNever };

struct GenerationSettings {
  int64_t end_token = 0;
  int64_t pad_token = 0;
  int64_t num_beams = 1;
  int64_t num_return_sequences = 1;
  double length_penalty = 1;
  EarlyStopping early_stopping = EarlyStopping::kNo;
  double repetition_penalty = 1;
  int64_t no_repeat_ngram_size = 0;
  std::vector<std::vector<int32_t>> bad_words;
  bool do_sample = false;
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1;
};

struct Prompt {
  std::vector<int32_t> ids;
  int64_t max_length = 0;
  int64_t min_length = 0;
  uint64_t seed = 0;
};

}  // namespace clip_blip
