#include "faults/seeded.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <limits>

#include "device/failure.h"

namespace clip_blip {
namespace {

// What the compiler cannot see through: it would warn of the mistakes, or leave them out.
template <typename T>
T Opaque(T value) {
  asm volatile("" : "+r"(value) : : "memory");
  return value;
}

void UseAfterFree() {
  auto* number = Opaque(new int(7));
  delete number;
  Opaque(*Opaque(number));
}

void Overflow() {
  at::Tensor bytes = at::zeros({1000}, at::kByte);
  Opaque(bytes.data_ptr<uint8_t>())[1000] = 1;
}

void Undefined() {
  int number = Opaque(std::numeric_limits<int>::max());
  Opaque(number + 1);
}

void Leak() { Opaque(new char[1234]); }

void LeakTensor() { Opaque(at::zeros({1234}).unsafeReleaseTensorImpl()); }

}  // namespace

void MakeMistake(const std::string& kind) {
  if (kind == "use-after-free") return UseAfterFree();
  if (kind == "overflow") return Overflow();
  if (kind == "undefined") return Undefined();
  if (kind == "leak") return Leak();
  if (kind == "leaked-tensor") return LeakTensor();
  throw Failure(ErrorCode::kInvalidArgument, "\"" + kind + "\" is no kind of mistake");
}

}  // namespace clip_blip
