#include "token_ids.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "failure.h"
#include "transfer.h"

namespace clip_blip {

void CheckTokenIds(const LoadedModule& module, const std::vector<int32_t>& ids) {
  int64_t vocabulary = module.FindInt("vocab_size").value_or(std::numeric_limits<int32_t>::max());
  for (int32_t id : ids) {
    if (id < 0 || id >= vocabulary) {
      throw Failure(ErrorCode::kInvalidArgument, "Token id " + std::to_string(id) +
                                                     " is not in the vocabulary of " +
                                                     std::to_string(vocabulary) + " tokens");
    }
  }
}

void FillTokenIds(const at::Tensor& target, const std::vector<int32_t>& ids) {
  Fill(target, at::from_blob(const_cast<int32_t*>(ids.data()), target.sizes(),
                             at::TensorOptions().dtype(at::kInt)));
}

at::Tensor UploadTokenIds(const LoadedModule& module, const std::vector<int32_t>& ids,
                          at::IntArrayRef shape) {
  at::Tensor target =
      at::empty(shape, at::TensorOptions().dtype(at::kLong).device(module.device()));
  FillTokenIds(target, ids);
  return target;
}

TextBatch UploadTexts(const LoadedModule& module, const std::vector<std::vector<int32_t>>& texts) {
  size_t length = 0;
  for (const std::vector<int32_t>& text : texts) length = std::max(length, text.size());
  at::Tensor mask = at::zeros({static_cast<int64_t>(texts.size()), static_cast<int64_t>(length)},
                              at::TensorOptions().dtype(at::kBool));
  std::vector<int32_t> ids(texts.size() * length, 0);
  for (size_t row = 0; row < texts.size(); ++row) {
    std::copy(texts[row].begin(), texts[row].end(), ids.data() + row * length);
    mask.select(0, static_cast<int64_t>(row))
        .narrow(0, 0, static_cast<int64_t>(texts[row].size()))
        .fill_(true);
  }
  return {UploadTokenIds(module, ids, mask.sizes()), Upload(mask, module.device())};
}

}  // namespace clip_blip
