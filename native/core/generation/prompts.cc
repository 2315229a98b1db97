#include "prompts.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace clip_blip {

Prompts::Prompts(const std::vector<Prompt>& prompts, c10::Device device)
    : shortest_(static_cast<int64_t>(prompts.front().ids.size())) {
  std::vector<int64_t> lengths, minima, maxima;
  for (const Prompt& prompt : prompts) {
    lengths.push_back(static_cast<int64_t>(prompt.ids.size()));
    minima.push_back(prompt.min_length);
    maxima.push_back(prompt.max_length);
    shortest_ = std::min(shortest_, lengths.back());
    longest_ = std::max(longest_, lengths.back());
    longest_minimum_ = std::max(longest_minimum_, prompt.min_length);
    positions_ = std::max(positions_, prompt.max_length);
  }
  int64_t lanes = static_cast<int64_t>(prompts.size());
  at::Tensor tokens = at::zeros({lanes, longest_}, at::TensorOptions().dtype(at::kLong));
  auto rows = tokens.accessor<int64_t, 2>();
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const std::vector<int32_t>& ids = prompts[static_cast<size_t>(lane)].ids;
    std::copy(ids.begin(), ids.end(), rows[lane].data());
  }
  auto upload = [&](const std::vector<int64_t>& values) {
    return at::tensor(values, at::TensorOptions().dtype(at::kLong)).view({-1, 1}).to(device);
  };
  tokens_ = tokens.to(device);
  lengths_ = upload(lengths);
  minima_ = upload(minima);
  maxima_ = upload(maxima);
}

at::Tensor Prompts::Begin(int64_t texts, int64_t fill) const {
  at::Tensor begun = at::full({lanes(), texts, positions_}, fill, tokens_.options());
  at::Tensor places = at::arange(longest_, tokens_.options());
  at::Tensor prompt =
      at::where(places.lt(lengths_), tokens_, at::scalar_tensor(fill, tokens_.options()));
  begun.narrow(2, 0, longest_).copy_(prompt.unsqueeze(1));
  return begun;
}

void Prompts::Keep(const at::Tensor& order) {
  for (at::Tensor* tensor : {&tokens_, &lengths_, &minima_, &maxima_}) {
    *tensor = tensor->index_select(0, order);
  }
}

}  // namespace clip_blip
