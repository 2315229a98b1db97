#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "tasks/generation/settings.h"

namespace clip_blip {

/// The prompts of the pictures whose texts are being written, on the device. Each picture has a
/// lane, P lanes in all. Texts grow in step, so a prompt that is longer than the shortest is read
/// token by token while others are answered already: nothing is padded, and no lane sees another.
class Prompts {
 public:
  Prompts(const std::vector<Prompt>& prompts, c10::Device device);

  int64_t lanes() const { return table_.size(0); }
  /// Tokens of the shortest prompt, at the start.
  int64_t shortest() const { return shortest_; }
  /// Tokens of the longest text that is allowed, at the start.
  int64_t positions() const { return positions_; }

  /// Texts that hold their prompts and go on with `fill`: [P, texts, positions].
  at::Tensor Begin(int64_t texts, int64_t fill) const;

  /// Whether any prompt has more than `length` tokens.
  bool AnyUnread(int64_t length) const { return length < longest_; }
  /// Lanes whose prompt has more than `length` tokens: [P, 1].
  at::Tensor Unread(int64_t length) const { return lengths().gt(length); }
  /// The prompts' tokens at `place`, from 0: [P, 1].
  at::Tensor TokensAt(int64_t place) const { return tokens().narrow(1, place, 1); }

  /// Whether any text of `length` tokens must go on.
  bool AnyTooShort(int64_t length) const { return length < longest_minimum_; }
  /// Lanes whose texts must go on after `length` tokens: [P, 1].
  at::Tensor TooShort(int64_t length) const { return table_.narrow(1, longest_ + 1, 1).gt(length); }
  /// Lanes whose texts may have no more than `length` tokens: [P, 1].
  at::Tensor Full(int64_t length) const { return table_.narrow(1, longest_ + 2, 1).le(length); }

  /// Lane i becomes what lane `order[i]` is.
  void Keep(const at::Tensor& order) { table_ = table_.index_select(0, order); }

  /// All that is on the device.
  at::Tensor& table() { return table_; }
  /// All that is not: steps that were recorded for some prompts serve others of the same bounds.
  static std::vector<int64_t> BoundsOf(const std::vector<Prompt>& prompts);
  /// `count` of them, at least four, that have the same bounds.
  static std::vector<Prompt> SomeOf(const std::vector<Prompt>& prompts, int64_t count);

 private:
  at::Tensor tokens() const { return table_.narrow(1, 0, longest_); }
  at::Tensor lengths() const { return table_.narrow(1, longest_, 1); }

  // In one piece, which is one copy to the device: the tokens, their number, and the text's least
  // and greatest length, [P, longest + 3].
  at::Tensor table_;
  int64_t shortest_, longest_, longest_minimum_, positions_;
};

}  // namespace clip_blip
