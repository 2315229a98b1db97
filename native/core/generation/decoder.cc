#include "decoder.h"

#include <ATen/ATen.h>

#include <utility>

#include "../failure.h"

namespace clip_blip {

Decoder::Decoder(const LoadedModule& module, const at::Tensor& states,
                 std::optional<at::Tensor> mask, int64_t texts, int64_t positions)
    : module_(module), texts_(texts), mask_(std::move(mask)) {
  c10::IValue projected = module.Run("project", {states});
  if (!projected.isTuple() || projected.toTupleRef().elements().size() != 2) {
    throw Failure(ErrorCode::kModelInvalid, "The model's project() did not return two tensors");
  }
  cross_keys_ = projected.toTupleRef().elements()[0].toTensor();
  cross_values_ = projected.toTupleRef().elements()[1].toTensor();
  std::vector<int64_t> shape{module.Int("text_layers"), states.size(0) * texts,
                             module.Int("text_heads"), positions, module.Int("text_head_dim")};
  // Zeros: what is not written yet must not be able to spread as NaN.
  self_keys_ = at::zeros(shape, cross_keys_.options());
  self_values_ = at::zeros(shape, cross_keys_.options());
}

at::Tensor Decoder::Step(const at::Tensor& ids, int64_t position) {
  std::vector<c10::IValue> inputs{ids,          position,    self_keys_,
                                  self_values_, cross_keys_, cross_values_};
  if (mask_) inputs.emplace_back(*mask_);
  at::Tensor scores = module_.Run(mask_ ? "decode_masked" : "decode", std::move(inputs)).toTensor();
  if (scores.dim() != 2 || scores.size(0) != ids.size(0)) {
    throw Failure(ErrorCode::kModelInvalid,
                  "The model's decode() did not return [texts, vocabulary]");
  }
  return scores;
}

void Decoder::Reorder(const at::Tensor& parents, int64_t length) {
  for (at::Tensor* cache : {&self_keys_, &self_values_}) {
    at::Tensor read = cache->narrow(3, 0, length);
    read.copy_(read.index_select(1, parents));
  }
}

void Decoder::Keep(const std::vector<int64_t>& order) {
  int64_t lanes = static_cast<int64_t>(order.size());
  auto keep = [&](at::Tensor& tensor, int64_t dimension, int64_t width) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      int64_t from = order[static_cast<size_t>(lane)];
      if (from == lane) continue;
      tensor.narrow(dimension, lane * width, width)
          .copy_(tensor.narrow(dimension, from * width, width));
    }
    tensor = tensor.narrow(dimension, 0, lanes * width);
  };
  keep(cross_keys_, 1, 1);
  keep(cross_values_, 1, 1);
  keep(self_keys_, 1, texts_);
  keep(self_values_, 1, texts_);
  if (mask_) keep(*mask_, 0, 1);
}

}  // namespace clip_blip
