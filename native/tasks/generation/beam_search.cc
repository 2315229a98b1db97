#include "tasks/generation/beam_search.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "device/transfer.h"
#include "tasks/generation/sampling.h"

namespace clip_blip {
namespace {

/// Below every score that a text can have. Added, not put in the place of scores: this, too, is how
/// transformers orders what is out of the running.
constexpr double kOut = -1e9;

at::Tensor BestIndices(const at::Tensor& scores, int64_t count) {
  return std::get<1>(scores.topk(count));
}

/// Picks texts [P, n, positions] by their indices [P, m].
at::Tensor PickTexts(const at::Tensor& texts, const at::Tensor& indices) {
  return texts.gather(1, indices.unsqueeze(2).expand({-1, -1, texts.size(2)}));
}

at::Tensor OutWhere(const at::Tensor& condition) { return condition.to(at::kFloat).mul_(kOut); }

}  // namespace

BeamSearch::BeamSearch(const std::vector<Prompt>& prompts, const GenerationSettings& options,
                       c10::Device device)
    : Search(Prompts(prompts, device), options.num_beams, options.pad_token),
      options_(options),
      processors_(options, device) {
  int64_t lanes = texts_.size(0), beams = texts_.size(1), positions = texts_.size(2);
  auto floats = at::TensorOptions().dtype(at::kFloat).device(device);
  // All beams begin alike: were more than one in the running, they would stay so.
  running_scores_ = at::full({lanes, beams}, kOut, floats);
  running_scores_.select(1, 0).zero_();
  finished_ = {texts_.clone(), at::full({lanes, beams}, kOut, floats),
               at::zeros({lanes, beams}, floats.dtype(at::kBool))};
  open_ = at::ones({lanes, 1}, floats.dtype(at::kBool));
  if (options.do_sample) uniform_ = UniformNumbers(prompts, positions, 2 * beams, device);

  std::vector<float> divisors, last_divisor;
  auto divisor = [&](const Prompt& prompt, int64_t length) {
    int64_t written = std::max<int64_t>(1, length - static_cast<int64_t>(prompt.ids.size()));
    return static_cast<float>(std::pow(static_cast<double>(written), options.length_penalty));
  };
  for (const Prompt& prompt : prompts) {
    for (int64_t length = 0; length <= positions; ++length) {
      divisors.push_back(divisor(prompt, length));
    }
    last_divisor.push_back(divisor(prompt, prompt.max_length));
  }
  divisors_ = Upload(at::tensor(divisors).view({lanes, positions + 1}), device);
  last_divisor_ = Upload(at::tensor(last_divisor).view({lanes, 1}), device);
}

BeamSearch::Candidates BeamSearch::Choose(const at::Tensor& scores, int64_t length) const {
  int64_t lanes = texts_.size(0), count = 2 * texts_.size(1), vocabulary = scores.size(1);
  at::Tensor log_probabilities = scores.to(at::kFloat).log_softmax(1);
  processors_.Apply(log_probabilities, Tokens(0, length), prompts_);
  if (options_.do_sample) WarpScores(log_probabilities, options_, /*least=*/2);
  at::Tensor totals = log_probabilities.view({lanes, -1, vocabulary})
                          .add_(running_scores_.unsqueeze(2))
                          .view({lanes, -1});
  at::Tensor chosen, indices;
  if (options_.do_sample) {
    at::Tensor weights = totals.softmax(1), uniform = uniform_.select(1, length);
    std::vector<at::Tensor> drawn;
    for (int64_t i = 0; i < count; ++i) {
      drawn.push_back(DrawIndex(weights, uniform.narrow(1, i, 1)));
      weights.scatter_(1, drawn.back(), 0);
    }
    indices = at::cat(drawn, 1);
    chosen = totals.gather(1, indices);
  } else {
    std::tie(chosen, indices) = totals.topk(count);
  }
  return {chosen, indices.div(vocabulary, "floor"), indices.remainder(vocabulary)};
}

/// `texts` [P, 2 * beams, positions], the candidates, with their `scores`; `ends`: which of them
/// end now. Only the better half of them may become finished texts.
BeamSearch::Finished BeamSearch::Merge(const at::Tensor& texts, const at::Tensor& scores,
                                       const at::Tensor& ends, int64_t length) const {
  int64_t beams = texts_.size(1);
  at::Tensor ending = ends.clone();
  ending.narrow(1, beams, beams).fill_(false);
  at::Tensor final_scores = scores / divisors_.narrow(1, length + 1, 1);
  final_scores.add_(OutWhere(open_.logical_not())).add_(OutWhere(ending.logical_not()));

  at::Tensor all_scores = at::cat({finished_.scores, final_scores}, 1);
  at::Tensor best = BestIndices(all_scores, beams);
  return {PickTexts(at::cat({finished_.texts, texts}, 1), best), all_scores.gather(1, best),
          at::cat({finished_.real, ending}, 1).gather(1, best)};
}

/// Closes the lanes whose finished texts stay as they are.
void BeamSearch::Close(const at::Tensor& ends, int64_t length) {
  // With early stopping off, transformers compares with what the best text would score if it ended
  // here; with "never", with the best that it can still reach.
  bool never = options_.early_stopping == EarlyStopping::kNever && options_.length_penalty > 0;
  at::Tensor possible = running_scores_.narrow(1, 0, 1) /
                        (never ? last_divisor_ : divisors_.narrow(1, length + 1, 1));
  at::Tensor worst = finished_.scores.amin(1, /*keepdim=*/true);
  at::Tensor beaten = at::where(finished_.real, worst, at::scalar_tensor(kOut, worst.options()));
  open_ = open_ & possible.gt(beaten).any(1, /*keepdim=*/true);
  open_.logical_and_(ends.all(1, /*keepdim=*/true).logical_not());
  if (options_.early_stopping == EarlyStopping::kYes) {
    open_.logical_and_(finished_.real.all(1, /*keepdim=*/true).logical_not());
  }
}

std::optional<at::Tensor> BeamSearch::Advance(const at::Tensor& scores, int64_t length) {
  int64_t lanes = texts_.size(0), beams = texts_.size(1);
  Candidates candidates = Choose(scores, length);
  at::Tensor texts = PickTexts(texts_, candidates.beams);
  texts.select(2, length).copy_(candidates.tokens);
  at::Tensor ends = candidates.tokens.eq(options_.end_token) | prompts_.Full(length + 1);

  at::Tensor going_on = candidates.scores + OutWhere(ends);
  at::Tensor kept = BestIndices(going_on, beams);
  at::Tensor running_texts = PickTexts(texts, kept);
  at::Tensor running_scores = going_on.gather(1, kept);
  at::Tensor parents = candidates.beams.gather(1, kept);
  Finished finished = Merge(texts, candidates.scores, ends, length);

  if (prompts_.AnyUnread(length)) {
    // Lanes that read their prompt still stay as they are, but for its next token.
    at::Tensor unread = prompts_.Unread(length);
    texts_.select(2, length).copy_(prompts_.TokensAt(length).expand({-1, beams}));
    running_texts = at::where(unread.unsqueeze(2), texts_, running_texts);
    running_scores = at::where(unread, running_scores_, running_scores);
    parents = at::where(unread, at::arange(beams, parents.options()), parents);
    finished = {at::where(unread.unsqueeze(2), finished_.texts, finished.texts),
                at::where(unread, finished_.scores, finished.scores),
                at::where(unread, finished_.real, finished.real)};
    ends.logical_and_(unread.logical_not());
  }
  texts_ = running_texts;
  running_scores_ = running_scores;
  finished_ = finished;
  Close(ends, length);
  at::Tensor first = at::arange(lanes, parents.options()).mul_(beams).unsqueeze(1);
  return (parents + first).flatten();
}

at::Tensor BeamSearch::Done() const { return open_.logical_not().squeeze(1); }

std::pair<at::Tensor, at::Tensor> BeamSearch::Best() const {
  return {finished_.texts.narrow(1, 0, options_.num_return_sequences),
          finished_.scores.narrow(1, 0, options_.num_return_sequences)};
}

std::vector<at::Tensor*> BeamSearch::State() {
  std::vector<at::Tensor*> state = Search::State();
  for (at::Tensor* tensor : {&running_scores_, &finished_.texts, &finished_.scores, &finished_.real,
                             &open_, &divisors_, &last_divisor_}) {
    state.push_back(tensor);
  }
  for (at::Tensor* tensor : processors_.State()) state.push_back(tensor);
  if (uniform_.defined()) state.push_back(&uniform_);
  return state;
}

void BeamSearch::Keep(const at::Tensor& order) {
  Search::Keep(order);
  for (at::Tensor* tensor : {&running_scores_, &finished_.texts, &finished_.scores, &finished_.real,
                             &open_, &divisors_, &last_divisor_}) {
    *tensor = tensor->index_select(0, order);
  }
  if (uniform_.defined()) uniform_ = uniform_.index_select(0, order);
}

}  // namespace clip_blip
