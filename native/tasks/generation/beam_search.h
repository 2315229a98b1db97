#pragma once

#include <vector>

#include "tasks/generation/logits_processors.h"
#include "tasks/generation/search.h"
#include "tasks/generation/settings.h"

namespace clip_blip {

/// Beam search, and beams drawn by their probability, as `_beam_search` of transformers 5.17 does
/// it. A text's score is its `sequences_scores`: the sum of the log-probabilities of the tokens
/// after the prompt, divided by their number to the power of the length penalty.
class BeamSearch final : public Search {
 public:
  BeamSearch(const std::vector<Prompt>& prompts, const GenerationSettings& options,
             c10::Device device);

  std::optional<at::Tensor> Advance(const at::Tensor& scores, int64_t length) override;
  at::Tensor Done() const override;
  std::pair<at::Tensor, at::Tensor> Best() const override;
  void Keep(const at::Tensor& order) override;
  std::vector<at::Tensor*> State() override;

 private:
  /// Ways to go on, twice as many as beams, so that beams are left when all the best of them end.
  struct Candidates {
    at::Tensor scores;  // these, [P, 2 * beams]
    at::Tensor beams;
    at::Tensor tokens;
  };
  struct Finished {
    at::Tensor texts;   // [P, beams, positions]
    at::Tensor scores;  // [P, beams]
    at::Tensor real;    // whether there is a text in this place yet, [P, beams]
  };

  Candidates Choose(const at::Tensor& scores, int64_t length) const;
  Finished Merge(const at::Tensor& texts, const at::Tensor& scores, const at::Tensor& ends,
                 int64_t length) const;
  void Close(const at::Tensor& ends, int64_t length);

  GenerationSettings options_;
  LogitsProcessors processors_;
  at::Tensor uniform_;         // [P, positions, 2 * beams]; undefined: no sampling
  at::Tensor running_scores_;  // of the texts that go on, [P, beams]
  Finished finished_;
  at::Tensor open_;          // whether anything may change in `finished_`, [P, 1]
  at::Tensor divisors_;      // of the scores of texts by their tokens, [P, positions + 1]
  at::Tensor last_divisor_;  // of the longest texts, [P, 1]
};

}  // namespace clip_blip
