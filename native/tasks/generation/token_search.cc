#include "tasks/generation/token_search.h"

#include <ATen/ATen.h>

#include "tasks/generation/sampling.h"

namespace clip_blip {

TokenSearch::TokenSearch(const std::vector<Prompt>& prompts, const GenerationSettings& options,
                         c10::Device device)
    : Search(Prompts(prompts, device), options.num_return_sequences, options.pad_token),
      options_(options),
      processors_(options, device) {
  at::IntArrayRef shape = texts_.sizes().slice(0, 2);
  auto floats = at::TensorOptions().dtype(at::kFloat).device(device);
  ended_ = at::zeros(shape, floats.dtype(at::kBool));
  log_probability_ = at::zeros(shape, floats);
  written_ = at::zeros(shape, floats);
  if (options.do_sample) {
    uniform_ = UniformNumbers(prompts, texts_.size(2), texts_.size(1), device);
  }
}

std::optional<at::Tensor> TokenSearch::Advance(const at::Tensor& logits, int64_t length) {
  at::Tensor scores = logits.to(at::kFloat);
  processors_.Apply(scores, Tokens(0, length), prompts_);
  at::Tensor next;
  if (options_.do_sample) {
    WarpScores(scores, options_, /*least=*/1);
    next = DrawIndex(scores.softmax(1), uniform_.select(1, length).reshape({-1, 1}));
  } else {
    next = scores.argmax(1, /*keepdim=*/true);
  }
  // One kernel; logsumexp would be nine.
  at::Tensor log_probability = scores.log_softmax(1).gather(1, next);
  next = next.view_as(ended_);

  at::Tensor writes = ended_.logical_not();
  if (prompts_.AnyUnread(length)) {
    at::Tensor unread = prompts_.Unread(length);
    writes.logical_and_(unread.logical_not());
    next = at::where(unread, prompts_.TokensAt(length), next);
  }
  next = next.masked_fill(ended_, options_.pad_token);
  texts_.select(2, length).copy_(next);
  log_probability_.add_(log_probability.view_as(ended_).masked_fill_(writes.logical_not(), 0));
  written_.add_(writes);
  ended_.logical_or_(writes & (next.eq(options_.end_token) | prompts_.Full(length + 1)));
  return std::nullopt;
}

at::Tensor TokenSearch::Done() const { return ended_.all(1); }

std::pair<at::Tensor, at::Tensor> TokenSearch::Best() const {
  return {texts_, log_probability_ / written_};
}

std::vector<at::Tensor*> TokenSearch::State() {
  std::vector<at::Tensor*> state = Search::State();
  for (at::Tensor* tensor : {&ended_, &log_probability_, &written_}) state.push_back(tensor);
  for (at::Tensor* tensor : processors_.State()) state.push_back(tensor);
  if (uniform_.defined()) state.push_back(&uniform_);
  return state;
}

void TokenSearch::Keep(const at::Tensor& order) {
  Search::Keep(order);
  for (at::Tensor* tensor : {&ended_, &log_probability_, &written_}) {
    *tensor = tensor->index_select(0, order);
  }
  if (uniform_.defined()) uniform_ = uniform_.index_select(0, order);
}

}  // namespace clip_blip
