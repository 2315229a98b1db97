#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <vector>

#include "tasks/generation/prompts.h"
#include "tasks/generation/settings.h"

namespace clip_blip {

/// The options that change the scores of tokens, each in the place that transformers gives it.
class LogitsProcessors {
 public:
  LogitsProcessors(const GenerationSettings& options, c10::Device device);

  /// Changes the scores of the next token, [P * texts, vocabulary] in float32, in place.
  /// `texts`: the tokens so far, prompts included, [P * texts, length].
  void Apply(at::Tensor& scores, const at::Tensor& texts, const Prompts& prompts) const;

  /// All that is on the device.
  std::vector<at::Tensor*> State();

 private:
  struct Phrase {
    at::Tensor beginning;  // [tokens - 1]
    int64_t last;
  };

  double repetition_penalty_;
  int64_t no_repeat_ngram_size_;
  int64_t end_token_;
  at::Tensor bad_tokens_;  // undefined: none
  std::vector<Phrase> bad_phrases_;
};

}  // namespace clip_blip
