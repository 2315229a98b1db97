#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tasks/generation/prompts.h"

namespace clip_blip {

/// A way to choose tokens: greedy search and sampling, or beam search. All of its state is on the
/// device, and nothing here waits for it.
class Search {
 public:
  /// `texts`: written for each picture at a time. `fill`: the token behind a text's end.
  Search(Prompts prompts, int64_t texts, int64_t fill)
      : prompts_(std::move(prompts)), texts_(prompts_.Begin(texts, fill)) {}
  virtual ~Search() = default;
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  int64_t lanes() const { return texts_.size(0); }
  int64_t texts() const { return texts_.size(1); }
  /// Tokens of the longest text that is allowed, at the start.
  int64_t positions() const { return texts_.size(2); }
  int64_t shortest_prompt() const { return prompts_.shortest(); }

  /// `count` tokens of every text from the token at `start` on: [P * texts, count].
  at::Tensor Tokens(int64_t start, int64_t count) const {
    return texts_.narrow(2, start, count).flatten(0, 1);
  }

  /// Chooses the token that follows after `length` tokens by its scores [P * texts, vocabulary],
  /// which it may change. Gives the text that each text now goes on from, [P * texts], or nothing
  /// where that is itself.
  virtual std::optional<at::Tensor> Advance(const at::Tensor& scores, int64_t length) = 0;

  /// Lanes that need no more tokens: [P]. Advancing them changes no result.
  virtual at::Tensor Done() const = 0;

  /// The best texts so far, best first, and their scores: [P, k, positions] and [P, k].
  virtual std::pair<at::Tensor, at::Tensor> Best() const = 0;

  /// Lane i becomes what lane `order[i]` is.
  virtual void Keep(const at::Tensor& order) {
    prompts_.Keep(order);
    texts_ = texts_.index_select(0, order);
  }

  /// All of its tensors. What Advance() changes it may put into new ones.
  virtual std::vector<at::Tensor*> State() { return {&texts_, &prompts_.table()}; }

 protected:
  Prompts prompts_;
  at::Tensor texts_;  // [P, texts, positions]
};

/// Beam search where there is more than one beam, else greedy search or sampling.
std::unique_ptr<Search> MakeSearch(const std::vector<Prompt>& prompts,
                                   const GenerationSettings& options, c10::Device device);

}  // namespace clip_blip
