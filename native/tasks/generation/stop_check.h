#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <optional>
#include <vector>

namespace clip_blip {

/// Brings the word of which lanes are done to the host. On an accelerator it comes one step late:
/// the host prepares the next step while the device is at the last one, and never waits for both.
class StopCheck {
 public:
  explicit StopCheck(c10::Device device) : device_(device) {}

  /// `done` [P] after this step. Gives what is known: of this step on the CPU; of the step before
  /// on an accelerator, and nothing at the first one.
  std::optional<std::vector<bool>> Next(const at::Tensor& done);

  /// The lanes have changed: what was asked is of no use.
  void Forget() { asked_.reset(); }

 private:
  struct Question {
    at::Tensor answer;  // on the host, pinned
    c10::Event answered;
  };

  Question Ask(const at::Tensor& done) const;

  c10::Device device_;
  std::optional<Question> asked_;
};

}  // namespace clip_blip
