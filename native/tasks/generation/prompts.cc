#include "tasks/generation/prompts.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "device/transfer.h"

namespace clip_blip {

std::vector<int64_t> Prompts::BoundsOf(const std::vector<Prompt>& prompts) {
  auto shortest = static_cast<int64_t>(prompts.front().ids.size());
  int64_t longest = 0, longest_minimum = 0, positions = 0;
  for (const Prompt& prompt : prompts) {
    auto length = static_cast<int64_t>(prompt.ids.size());
    shortest = std::min(shortest, length);
    longest = std::max(longest, length);
    longest_minimum = std::max(longest_minimum, prompt.min_length);
    positions = std::max(positions, prompt.max_length);
  }
  return {shortest, longest, longest_minimum, positions};
}

std::vector<Prompt> Prompts::SomeOf(const std::vector<Prompt>& prompts, int64_t count) {
  auto by_length = [](const Prompt& one, const Prompt& other) {
    return one.ids.size() < other.ids.size();
  };
  auto by_minimum = [](const Prompt& one, const Prompt& other) {
    return one.min_length < other.min_length;
  };
  auto by_maximum = [](const Prompt& one, const Prompt& other) {
    return one.max_length < other.max_length;
  };
  std::vector<Prompt> some{*std::ranges::min_element(prompts, by_length),
                           *std::ranges::max_element(prompts, by_length),
                           *std::ranges::max_element(prompts, by_minimum),
                           *std::ranges::max_element(prompts, by_maximum)};
  some.resize(static_cast<size_t>(count), prompts.front());
  return some;
}

Prompts::Prompts(const std::vector<Prompt>& prompts, c10::Device device) {
  std::vector<int64_t> bounds = BoundsOf(prompts);
  shortest_ = bounds[0];
  longest_ = bounds[1];
  longest_minimum_ = bounds[2];
  positions_ = bounds[3];
  auto lanes = static_cast<int64_t>(prompts.size());
  at::Tensor table = at::zeros({lanes, longest_ + 3}, at::TensorOptions().dtype(at::kLong));
  auto rows = table.accessor<int64_t, 2>();
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const Prompt& prompt = prompts[static_cast<size_t>(lane)];
    std::copy(prompt.ids.begin(), prompt.ids.end(), rows[lane].data());
    rows[lane][longest_] = static_cast<int64_t>(prompt.ids.size());
    rows[lane][longest_ + 1] = prompt.min_length;
    rows[lane][longest_ + 2] = prompt.max_length;
  }
  table_ = Upload(table, device);
}

at::Tensor Prompts::Begin(int64_t texts, int64_t fill) const {
  at::Tensor begun = at::full({lanes(), texts, positions_}, fill, table_.options());
  at::Tensor places = at::arange(longest_, table_.options());
  at::Tensor prompt =
      at::where(places.lt(lengths()), tokens(), at::scalar_tensor(fill, table_.options()));
  begun.narrow(2, 0, longest_).copy_(prompt.unsqueeze(1));
  return begun;
}

}  // namespace clip_blip
