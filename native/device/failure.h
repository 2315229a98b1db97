#pragma once

#include <exception>
#include <optional>
#include <string>

namespace clip_blip {

/// The codes of `NativeErrorCode` in lib/native/types.ts.
enum class ErrorCode {
  kOutOfMemory,
  kDeviceLost,
  kDeviceNotFound,
  kModelInvalid,
  kInvalidArgument,
  kUnloaded,
  kIo,
  kInternal,
};

const char* CodeName(ErrorCode code);

/// The one exception type that bindings/ sees: a code and a text that is never empty.
class Failure : public std::exception {
 public:
  Failure(ErrorCode code, std::string message);

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_;
};

/// The exception that is being handled, as a Failure: LibTorch's types and texts sorted into our
/// codes, C++ backtraces cut off. `fallback` is the code of what is none of these. Call it inside a
/// catch block, and leave that block before freeing or retrying anything.
Failure CurrentFailure(ErrorCode fallback = ErrorCode::kInternal) noexcept;

/// Runs `work`; a failure comes back as a value, so that the caller is outside of any catch block.
template <typename Work>
std::optional<Failure> Attempt(Work&& work, ErrorCode fallback = ErrorCode::kInternal) {
  try {
    work();
  } catch (...) {
    return CurrentFailure(fallback);
  }
  return std::nullopt;
}

}  // namespace clip_blip
