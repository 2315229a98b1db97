#pragma once

#include <vector>

#include "tasks/generation/logits_processors.h"
#include "tasks/generation/search.h"
#include "tasks/generation/settings.h"

namespace clip_blip {

/// Greedy search, or tokens drawn by their probability: `num_return_sequences` texts a picture,
/// each on its own. A text's score is the mean log-probability of its tokens after the prompt, each
/// in the distribution that it was chosen from.
class TokenSearch final : public Search {
 public:
  TokenSearch(const std::vector<Prompt>& prompts, const GenerationSettings& options,
              c10::Device device);

  std::optional<at::Tensor> Advance(const at::Tensor& scores, int64_t length) override;
  at::Tensor Done() const override;
  std::pair<at::Tensor, at::Tensor> Best() const override;
  void Keep(const at::Tensor& order) override;
  std::vector<at::Tensor*> State() override;

 private:
  GenerationSettings options_;
  LogitsProcessors processors_;
  at::Tensor uniform_;          // [P, positions, texts]; undefined: no sampling
  at::Tensor ended_;            // [P, texts]
  at::Tensor log_probability_;  // the sum over what was written, [P, texts]
  at::Tensor written_;          // tokens of that, [P, texts]
};

}  // namespace clip_blip
