#include "tasks/generation/decoder.h"

#include <ATen/ATen.h>

#include <utility>

#include "device/failure.h"

namespace clip_blip {

std::vector<int64_t> CacheShape(const LoadedModule& module, int64_t texts, int64_t positions) {
  return {module.Int("text_layers"), texts, module.Int("text_heads"), positions,
          module.Int("text_head_dim")};
}

std::array<at::Tensor, 2> Project(const LoadedModule& module, const at::Tensor& states) {
  c10::IValue projected = module.Run("project", {states});
  if (!projected.isTuple() || projected.toTupleRef().elements().size() != 2) {
    throw Failure(ErrorCode::kModelInvalid, "The model's project() did not return two tensors");
  }
  return {projected.toTupleRef().elements()[0].toTensor(),
          projected.toTupleRef().elements()[1].toTensor()};
}

at::Tensor Decode(const LoadedModule& module, const at::Tensor& ids, int64_t position,
                  const std::vector<at::Tensor>& read) {
  std::vector<c10::IValue> inputs{ids, position};
  inputs.insert(inputs.end(), read.begin(), read.end());
  const char* method = read.size() == 4 ? "decode" : "decode_masked";
  at::Tensor scores = module.Run(method, std::move(inputs)).toTensor();
  if (scores.dim() != 2 || scores.size(0) != ids.size(0)) {
    throw Failure(ErrorCode::kModelInvalid,
                  "The model's decode() did not return [texts, vocabulary]");
  }
  return scores;
}

void ReorderCache(const at::Tensor& cache, const at::Tensor& parents, int64_t length) {
  at::Tensor read = cache.narrow(3, 0, length);
  read.copy_(read.index_select(1, parents));
}

void MoveLanes(const at::Tensor& tensor, int64_t dimension, int64_t width,
               const std::vector<int64_t>& order) {
  for (size_t i = 0; i < order.size(); ++i) {
    auto lane = static_cast<int64_t>(i);
    if (order[i] == lane) continue;
    tensor.narrow(dimension, lane * width, width)
        .copy_(tensor.narrow(dimension, order[i] * width, width));
  }
}

Decoder::Decoder(const LoadedModule& module, const at::Tensor& states,
                 std::optional<at::Tensor> mask, int64_t texts, int64_t positions)
    : module_(module), texts_(texts), mask_(std::move(mask)) {
  std::vector<int64_t> shape = CacheShape(module, states.size(0) * texts, positions);
  // Zeros: what is not written yet must not be able to spread as NaN.
  self_keys_ = at::zeros(shape, states.options());
  self_values_ = at::zeros(shape, states.options());
  std::array<at::Tensor, 2> cross = Project(module, states);
  cross_keys_ = cross[0];
  cross_values_ = cross[1];
}

at::Tensor Decoder::Step(const at::Tensor& ids, int64_t position) {
  std::vector<at::Tensor> read{self_keys_, self_values_, cross_keys_, cross_values_};
  if (mask_) read.push_back(*mask_);
  return Decode(module_, ids, position, read);
}

void Decoder::Reorder(const at::Tensor& parents, int64_t length) {
  ReorderCache(self_keys_, parents, length);
  ReorderCache(self_values_, parents, length);
}

void Decoder::Keep(const std::vector<int64_t>& order) {
  int64_t lanes = static_cast<int64_t>(order.size());
  auto keep = [&](at::Tensor& tensor, int64_t dimension, int64_t width) {
    MoveLanes(tensor, dimension, width, order);
    tensor = tensor.narrow(dimension, 0, lanes * width);
  };
  keep(cross_keys_, 1, 1);
  keep(cross_values_, 1, 1);
  keep(self_keys_, 1, texts_);
  keep(self_values_, 1, texts_);
  if (mask_) keep(*mask_, 0, 1);
}

}  // namespace clip_blip
