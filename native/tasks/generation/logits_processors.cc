#include "tasks/generation/logits_processors.h"

#include <ATen/ATen.h>

#include <limits>

#include "device/transfer.h"

namespace clip_blip {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Tokens that occurred become less probable, whatever the sign of their score.
void PenalizeRepetition(at::Tensor& scores, const at::Tensor& texts, double penalty) {
  at::Tensor found = scores.gather(1, texts);
  scores.scatter_(1, texts, at::where(found.lt(0), found * penalty, found / penalty));
}

/// Bans each token that would end a sequence of `size` tokens for the second time.
void BanRepeatedNgrams(at::Tensor& scores, const at::Tensor& texts, int64_t size) {
  int64_t length = texts.size(1);
  if (length < size) return;
  at::Tensor ngrams = texts.unfold(1, size, 1);  // [texts, ngrams, size]
  at::Tensor ending = texts.narrow(1, length - (size - 1), size - 1).unsqueeze(1);
  at::Tensor repeated = ngrams.narrow(2, 0, size - 1).eq(ending).all(-1);
  at::Tensor cap = at::full(repeated.sizes(), kInfinity, scores.options());
  scores.scatter_reduce_(1, ngrams.select(2, size - 1), cap.masked_fill_(repeated, -kInfinity),
                         "amin");
}

}  // namespace

LogitsProcessors::LogitsProcessors(const GenerationSettings& options, c10::Device device)
    : repetition_penalty_(options.repetition_penalty),
      no_repeat_ngram_size_(options.no_repeat_ngram_size),
      end_token_(options.end_token) {
  auto upload = [&](const std::vector<int64_t>& tokens) {
    return Upload(at::tensor(tokens, at::TensorOptions().dtype(at::kLong)), device);
  };
  std::vector<int64_t> bad_tokens;
  for (const std::vector<int32_t>& word : options.bad_words) {
    if (word.size() > 1) {
      bad_phrases_.push_back({upload({word.begin(), word.end() - 1}), word.back()});
    } else if (word[0] != end_token_) {
      // The end token is no word: transformers passes over it, too.
      bad_tokens.push_back(word[0]);
    }
  }
  if (!bad_tokens.empty()) bad_tokens_ = upload(bad_tokens);
}

std::vector<at::Tensor*> LogitsProcessors::State() {
  std::vector<at::Tensor*> state;
  if (bad_tokens_.defined()) state.push_back(&bad_tokens_);
  for (Phrase& phrase : bad_phrases_) state.push_back(&phrase.beginning);
  return state;
}

void LogitsProcessors::Apply(at::Tensor& scores, const at::Tensor& texts,
                             const Prompts& prompts) const {
  int64_t length = texts.size(1);
  if (repetition_penalty_ != 1) PenalizeRepetition(scores, texts, repetition_penalty_);
  if (no_repeat_ngram_size_ > 0) BanRepeatedNgrams(scores, texts, no_repeat_ngram_size_);
  if (bad_tokens_.defined()) scores.index_fill_(1, bad_tokens_, -kInfinity);
  for (const Phrase& phrase : bad_phrases_) {
    int64_t beginning = phrase.beginning.size(0);
    // As in transformers, a phrase as long as the text and one token more is not looked for yet.
    if (beginning >= length) continue;
    at::Tensor begun = texts.narrow(1, length - beginning, beginning).eq(phrase.beginning).all(1);
    scores.select(1, phrase.last).masked_fill_(begun, -kInfinity);
  }
  if (prompts.AnyTooShort(length)) {
    at::Tensor too_short = prompts.TooShort(length).expand({-1, scores.size(0) / prompts.lanes()});
    scores.select(1, end_token_).masked_fill_(too_short.reshape(-1), -kInfinity);
  }
}

}  // namespace clip_blip
