#include "token_ids.h"

#include <ATen/ATen.h>

#include <limits>

#include "failure.h"

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

at::Tensor UploadTokenIds(const LoadedModule& module, const std::vector<int32_t>& ids,
                          at::IntArrayRef shape) {
  at::Tensor view =
      at::from_blob(const_cast<int32_t*>(ids.data()), shape, at::TensorOptions().dtype(at::kInt));
  return view.to(at::kLong).to(module.device());
}

}  // namespace clip_blip
