#pragma once

// The plain structs of lib/native/types.ts; the comments there hold.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace clip_blip {

struct TensorSlice {
  std::string file;
  int64_t offset = 0;
  int64_t byte_length = 0;
  std::string dtype;
  std::vector<int64_t> shape;
  std::optional<std::vector<int64_t>> strides;
  int64_t storage_offset = 0;
};

struct ParameterSpec {
  std::string name;
  std::vector<std::vector<TensorSlice>> layers;
  bool stacked = false;
  bool transpose = false;
};

struct ModuleSpec {
  std::string source;
  std::vector<std::pair<std::string, int64_t>> ints;
  std::vector<std::pair<std::string, double>> floats;
  std::vector<std::pair<std::string, bool>> bools;
  std::vector<ParameterSpec> parameters;
};

struct Placement {
  std::string device;
  std::optional<std::string> dtype;
  bool prepare = false;
};

enum class CacheRelease { kAfterCall, kWhenIdle, kOnOutOfMemory };

struct RunOptions {
  std::optional<int64_t> memory_limit;
  CacheRelease release_cache = CacheRelease::kAfterCall;
  /// Whether the call may be recorded, and started as a graph. What such a call holds lies in the
  /// graphs' own memory and is not in its peak: where the peak is what is asked for, this is false.
  bool record = true;
};

struct NormalizePlan {
  double scale = 1;
  std::array<double, 3> mean{0, 0, 0};
  std::array<double, 3> std{1, 1, 1};

  bool operator==(const NormalizePlan&) const = default;
};

/// Interleaved RGB pictures of one size. The bytes belong to the caller and outlive the call.
struct PixelBatch {
  std::vector<const uint8_t*> pixels;
  int64_t height = 0;
  int64_t width = 0;
  NormalizePlan normalize;
};

/// [pictures, height, width, channels]
inline std::vector<int64_t> ShapeOf(const PixelBatch& batch) {
  return {static_cast<int64_t>(batch.pixels.size()), batch.height, batch.width, 3};
}

struct EmbeddingResult {
  std::vector<float> data;
  int64_t dimension = 0;
  int64_t peak_bytes = 0;
};

enum class EarlyStopping { kNo, kYes, kNever };

struct GenerationOptions {
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

struct GenerationResult {
  std::vector<std::vector<int32_t>> sequences;
  std::vector<float> scores;
  int64_t peak_bytes = 0;
};

/// Texts about pictures: text i is about picture `picture[i]` of the batch.
struct TextsAboutPictures {
  std::vector<std::vector<int32_t>> texts;
  std::vector<int32_t> picture;
};

struct MatchResult {
  std::vector<float> probabilities;
  std::vector<float> similarities;
  int64_t peak_bytes = 0;
};

struct DeviceMemory {
  int64_t allocated = 0;
  int64_t reserved = 0;
  int64_t peak = 0;
  int64_t held_by_graphs = 0;
  std::optional<int64_t> free;
  std::optional<int64_t> total;
};

struct DeviceInfo {
  std::string name;
  std::string description;
};

}  // namespace clip_blip
