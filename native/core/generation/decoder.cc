#include "decoder.h"

#include <ATen/ATen.h>

#include <utility>

#include "../failure.h"

namespace clip_blip {
namespace {

/// Places of a text's cache are made in steps of this many.
constexpr int64_t kPlacesApart = 16;

/// Where the decoder's tensors stay from call to call, if they do.
GraphPlace* FindPlace(const LoadedModule& module, const at::Tensor& states,
                      const std::vector<int64_t>& cache, int64_t texts) {
  if (module.graphs() == nullptr) return nullptr;
  // Keys and values of both kinds.
  int64_t layers = cache[0], heads = cache[2], width = cache[4];
  int64_t numbers = 2 * c10::multiply_integers(cache) +
                    2 * layers * heads * width * states.size(0) * states.size(1);
  return module.graphs()->PlaceFor({states.size(0), states.size(1), texts, cache[3]},
                                   numbers * states.element_size());
}

/// One step; `read`: the caches of the texts, what they are about, and its mask where it has one.
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

}  // namespace

Decoder::Decoder(const LoadedModule& module, const at::Tensor& states,
                 std::optional<at::Tensor> mask, int64_t texts, int64_t positions)
    : module_(module), texts_(texts), mask_(std::move(mask)) {
  std::vector<int64_t> shape = ShapeOfCache(states, positions);
  if (!mask_) place_ = FindPlace(module, states, shape, texts);
  if (place_ != nullptr && !place_->tensors.empty()) {
    self_keys_ = place_->tensors[0];
    self_values_ = place_->tensors[1];
  } else {
    // Zeros: what is not written yet must not be able to spread as NaN.
    auto make = [&] {
      self_keys_ = at::zeros(shape, states.options());
      self_values_ = at::zeros(shape, states.options());
    };
    if (place_ == nullptr) {
      make();
    } else {
      module.graphs()->Allocate(make);
      place_->tensors = {self_keys_, self_values_};
    }
  }
  Project(states);
}

std::vector<int64_t> Decoder::ShapeOfCache(const at::Tensor& states, int64_t positions) const {
  // A bit more room than is needed lets texts of several lengths share what was recorded.
  int64_t places = (positions + kPlacesApart - 1) / kPlacesApart * kPlacesApart;
  return {module_.Int("text_layers"), states.size(0) * texts_, module_.Int("text_heads"), places,
          module_.Int("text_head_dim")};
}

/// What everything that is written looks at.
void Decoder::Project(const at::Tensor& states) {
  // Without `this`: what is recorded outlives the call.
  auto work = [&module = module_](const at::Tensor& input) -> std::vector<at::Tensor> {
    c10::IValue projected = module.Run("project", {input});
    if (!projected.isTuple() || projected.toTupleRef().elements().size() != 2) {
      throw Failure(ErrorCode::kModelInvalid, "The model's project() did not return two tensors");
    }
    return {projected.toTupleRef().elements()[0].toTensor(),
            projected.toTupleRef().elements()[1].toTensor()};
  };
  if (place_ == nullptr) {
    std::vector<at::Tensor> projected = work(states);
    cross_keys_ = projected[0];
    cross_values_ = projected[1];
    return;
  }
  std::vector<at::Tensor> projected = module_.graphs()->RunOn(*place_, "project", {}, states, work);
  std::vector<at::Tensor>& kept = place_->tensors;
  if (kept.size() == 2) {
    kept.insert(kept.end(), projected.begin(), projected.end());
  } else {
    // The steps read them where they were when the steps were recorded.
    for (size_t i = 0; i < 2; ++i) {
      if (!kept[2 + i].is_same(projected[i])) kept[2 + i].copy_(projected[i]);
    }
  }
  cross_keys_ = kept[2];
  cross_values_ = kept[3];
}

at::Tensor Decoder::Step(const at::Tensor& ids, int64_t position) {
  std::vector<at::Tensor> read{self_keys_, self_values_, cross_keys_, cross_values_};
  if (mask_) read.push_back(*mask_);
  if (place_ == nullptr) return Decode(module_, ids, position, read);
  auto work = [&module = module_, position, read](const at::Tensor& input) {
    return std::vector<at::Tensor>{Decode(module, input, position, read)};
  };
  return module_.graphs()->RunOn(*place_, "step", {ids.size(1), position}, ids, work)[0];
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
