#include "tasks/generation/stop_check.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

namespace clip_blip {
namespace {

std::vector<bool> ToVector(const at::Tensor& flags) {
  const bool* data = flags.const_data_ptr<bool>();
  return std::vector<bool>(data, data + flags.numel());
}

}  // namespace

std::optional<std::vector<bool>> StopCheck::Next(const at::Tensor& done) {
  if (device_.is_cpu()) return ToVector(done.contiguous());
  std::optional<Question> before = std::exchange(asked_, Ask(done));
  if (!before) return std::nullopt;
  before->answered.synchronize();
  return ToVector(before->answer);
}

StopCheck::Question StopCheck::Ask(const at::Tensor& done) const {
  at::Tensor answer =
      at::empty(done.sizes(), at::TensorOptions().dtype(at::kBool).pinned_memory(true));
  answer.copy_(done, /*non_blocking=*/true);
  Question question{answer, c10::Event(device_.type())};
  question.answered.record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  return question;
}

}  // namespace clip_blip
