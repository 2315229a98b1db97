#include "generate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "device_call.h"
#include "loaded_module.h"
#include "pixels.h"
#include "token_ids.h"

namespace clip_blip {
namespace {

void CheckPrompts(const LoadedModule& module, const std::vector<std::vector<int32_t>>& prompts,
                  const GenerationOptions& generation) {
  for (const std::vector<int32_t>& prompt : prompts) {
    if (prompt.empty()) throw Failure(ErrorCode::kInvalidArgument, "A prompt has no token");
    if (static_cast<int64_t>(prompt.size()) >= generation.max_length) {
      throw Failure(ErrorCode::kInvalidArgument,
                    "A prompt of " + std::to_string(prompt.size()) +
                        " tokens leaves no room below a maximum length of " +
                        std::to_string(generation.max_length));
    }
    CheckTokenIds(module, prompt);
  }
}

/// What the decoder keeps between steps: its own keys and values, preallocated and written in
/// place, and the pictures', projected once.
class Decoder {
 public:
  Decoder(const LoadedModule& module, const PixelBatch& batch, int64_t positions)
      : module_(module) {
    at::Tensor states = module.Run("encode_image", {UploadPixels(module, batch)}).toTensor();
    c10::IValue projected = module.Run("project", {states});
    if (!projected.isTuple() || projected.toTupleRef().elements().size() != 2) {
      throw Failure(ErrorCode::kModelInvalid, "The model's project() did not return two tensors");
    }
    cross_keys_ = projected.toTupleRef().elements()[0].toTensor();
    cross_values_ = projected.toTupleRef().elements()[1].toTensor();
    std::vector<int64_t> shape{module.Int("text_layers"), static_cast<int64_t>(batch.pixels.size()),
                               module.Int("text_heads"), positions, module.Int("text_head_dim")};
    // Zeros: what is not written yet must not be able to spread as NaN.
    self_keys_ = at::zeros(shape, cross_keys_.options());
    self_values_ = at::zeros(shape, cross_keys_.options());
  }

  /// Logits of the last of the given positions, [B, vocabulary].
  at::Tensor Step(const std::vector<int32_t>& ids, int64_t rows, int64_t position) {
    int64_t length = static_cast<int64_t>(ids.size()) / rows;
    return module_
        .Run("decode", {UploadTokenIds(module_, ids, {rows, length}), position, self_keys_,
                        self_values_, cross_keys_, cross_values_})
        .toTensor();
  }

 private:
  const LoadedModule& module_;
  at::Tensor cross_keys_, cross_values_, self_keys_, self_values_;
};

struct Choice {
  std::vector<int32_t> tokens;
  std::vector<float> log_probabilities;
};

/// The best token of each row and its log-probability. One download, which is the step's one wait.
Choice Choose(const at::Tensor& logits, bool forbid_end, int64_t end_token) {
  at::Tensor scores = logits.to(at::kFloat);
  if (forbid_end) {
    if (scores.is_same(logits)) scores = scores.clone();
    scores.select(1, end_token).fill_(-std::numeric_limits<float>::infinity());
  }
  at::Tensor tokens = scores.argmax(1, /*keepdim=*/true);
  at::Tensor chosen = scores.gather(1, tokens) - scores.logsumexp(1, /*keepdim=*/true);
  // Both as float64, which holds either exactly.
  at::Tensor both = at::cat({tokens.to(at::kDouble), chosen.to(at::kDouble)}, 1).cpu();
  auto values = both.accessor<double, 2>();
  Choice choice;
  for (int64_t row = 0; row < both.size(0); ++row) {
    choice.tokens.push_back(static_cast<int32_t>(values[row][0]));
    choice.log_probabilities.push_back(static_cast<float>(values[row][1]));
  }
  return choice;
}

void Generate(Decoder& decoder, const std::vector<std::vector<int32_t>>& prompts,
              const GenerationOptions& generation, CaptionResult& result) {
  int64_t rows = static_cast<int64_t>(prompts.size());
  size_t length = prompts[0].size();
  for (const auto& prompt : prompts) length = std::min(length, prompt.size());

  // Rows go in step: all sequences have `length` tokens, but for those that have ended. A longer
  // prompt is fed token by token where a shorter one is answered already, so nothing is padded.
  std::vector<int32_t> next;
  for (const auto& prompt : prompts) {
    next.insert(next.end(), prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(length));
    result.sequences.emplace_back(prompt.begin(),
                                  prompt.begin() + static_cast<std::ptrdiff_t>(length));
  }
  result.log_probabilities.assign(prompts.size(), 0.0f);
  std::vector<bool> ended(prompts.size(), false);
  int64_t position = 0;

  while (true) {
    at::Tensor logits = decoder.Step(next, rows, position);
    if (logits.dim() != 2 || logits.size(0) != rows) {
      throw Failure(ErrorCode::kModelInvalid,
                    "The model's decode() did not return [rows, vocabulary]");
    }
    if (generation.end_token >= logits.size(1)) {
      throw Failure(ErrorCode::kInvalidArgument, "The end token is not in the vocabulary");
    }
    position = static_cast<int64_t>(length);
    Choice choice = Choose(logits, position < generation.min_length, generation.end_token);

    next.assign(prompts.size(), static_cast<int32_t>(generation.pad_token));
    bool running = false;
    for (size_t row = 0; row < prompts.size(); ++row) {
      if (ended[row]) continue;
      bool from_prompt = length < prompts[row].size();
      int32_t token = from_prompt ? prompts[row][length] : choice.tokens[row];
      next[row] = token;
      result.sequences[row].push_back(token);
      if (!from_prompt) {
        result.log_probabilities[row] += choice.log_probabilities[row];
        ended[row] = token == generation.end_token;
      }
      running = running || !ended[row];
    }
    ++length;
    if (!running || static_cast<int64_t>(length) >= generation.max_length) return;
  }
}

}  // namespace

CaptionResult Caption(const LoadedModule& module, const PixelBatch& batch,
                      const std::vector<std::vector<int32_t>>& prompts,
                      const GenerationOptions& generation, const RunOptions& options) {
  CheckPrompts(module, prompts, generation);
  CaptionResult result;
  result.peak_bytes = CallOnDevice(module, options, [&] {
    Decoder decoder(module, batch, generation.max_length);
    Generate(decoder, prompts, generation, result);
  });
  return result;
}

}  // namespace clip_blip
