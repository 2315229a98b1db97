#include "tasks/generation/sampling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>

#include "device/transfer.h"

namespace clip_blip {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void KeepTopK(at::Tensor& scores, int64_t k) {
  at::Tensor best = std::get<0>(scores.topk(std::min(k, scores.size(1))));
  scores.masked_fill_(scores.lt(best.narrow(1, best.size(1) - 1, 1)), -kInfinity);
}

/// Keeps the most probable tokens that have a probability of `p` together.
void KeepTopP(at::Tensor& scores, double p, int64_t least) {
  auto [rising, order] = scores.sort(-1, /*descending=*/false);
  at::Tensor removed = rising.softmax(-1).cumsum(-1).le(1 - p);
  int64_t kept = std::min(least, scores.size(1));
  removed.narrow(1, scores.size(1) - kept, kept).fill_(false);
  scores.masked_fill_(at::empty_like(removed).scatter_(1, order, removed), -kInfinity);
}

}  // namespace

void WarpScores(at::Tensor& scores, const GenerationSettings& options, int64_t least) {
  if (options.temperature != 1) scores.div_(options.temperature);
  if (options.top_k > 0) KeepTopK(scores, std::max(options.top_k, least));
  if (options.top_p < 1) KeepTopP(scores, options.top_p, least);
}

at::Tensor UniformNumbers(const std::vector<Prompt>& prompts, int64_t positions, int64_t draws,
                          c10::Device device) {
  at::Tensor numbers = at::empty({static_cast<int64_t>(prompts.size()), positions, draws},
                                 at::TensorOptions().dtype(at::kFloat));
  float* next = numbers.mutable_data_ptr<float>();
  for (const Prompt& prompt : prompts) {
    // The standard fixes every bit of what this generator gives for a seed.
    std::mt19937_64 generator(prompt.seed);
    // 23 bits: one less than a float32 holds, so that a number times a sum rounds to below the sum.
    for (int64_t i = 0; i < positions * draws; ++i) {
      *next++ = std::ldexp(static_cast<float>(generator() >> 41), -23);
    }
  }
  return Upload(numbers, device);
}

at::Tensor DrawIndex(const at::Tensor& weights, const at::Tensor& uniform) {
  at::Tensor sums = weights.cumsum(1);
  at::Tensor place = uniform * sums.narrow(1, sums.size(1) - 1, 1);
  // To the right of equal sums: what has no weight is never drawn.
  at::Tensor index = at::searchsorted(sums, place, /*out_int32=*/false, /*right=*/true);
  return index.clamp_max_(sums.size(1) - 1);
}

}  // namespace clip_blip
