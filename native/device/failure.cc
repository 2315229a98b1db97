#include "device/failure.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/runtime/jit_exception.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <string_view>
#include <utility>

namespace clip_blip {
namespace {

bool ContainsAny(std::string_view text, std::initializer_list<std::string_view> needles) {
  for (std::string_view needle : needles) {
    if (text.find(needle) != std::string_view::npos) return true;
  }
  return false;
}

// Whether a text is of CUDA, of its libraries or of the allocator. Every other text may quote what
// somebody else has written: the name of a file, a record of an archive.
bool IsOfDevice(std::string_view text) {
  for (std::string_view start : {"CUDA ", "cuDNN ", "CUDNN_", "[enforce fail at alloc_cpu"}) {
    if (text.rfind(start, 0) == 0) return true;
  }
  return false;
}

// The second net, for allocation failures of libraries under LibTorch, which arrive as plain text.
// Where memory is short, cuBLAS and cuDNN cannot make their handle for a thread and say that they
// are not initialized (https://github.com/pytorch/pytorch/issues/128601).
bool SaysOutOfMemory(std::string_view text) {
  return ContainsAny(
      text,
      {"out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED",
       "CUDNN_STATUS_ALLOC_FAILED", "CUDNN_STATUS_NOT_INITIALIZED",
       "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
       "DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory"});
}

// Numbers of cudaError_t; CUDA's headers are not there to include.
constexpr int32_t kCudaOutOfMemory = 2;

// Faults after which CUDA answers every call of the process with the same error: of the memory
// (ECC, 214) and of NVLink (220), those of a kernel, and the unknown one
// (https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html).
bool IsDeviceLost(int32_t cuda_error) {
  constexpr std::array<int32_t, 12> kFatal{214, 220, 700, 702, 710, 714,
                                           715, 716, 717, 718, 719, 999};
  return std::find(kFatal.begin(), kFatal.end(), cuda_error) != kFatal.end();
}

// The second net, for such faults that arrive as plain text.
bool SaysDeviceLost(std::string_view text) {
  return ContainsAny(
      text, {"illegal memory access", "device-side assert", "misaligned address",
             "unspecified launch failure", "launch timed out",
             "illegal instruction was encountered", "invalid program counter",
             "not supported on global/shared address space", "hardware stack error", "ECC error",
             "NVLink error", "CUDA error: unknown error", "CUDA driver error: unknown error"});
}

// Texts of exceptions that passed through the TorchScript interpreter may carry the C++ frames.
// Those of CUDA end with hints for whoever debugs LibTorch, which name device-side assertions
// whatever the error was.
std::string FirstPart(std::string text) {
  for (std::string_view mark :
       {"\nException raised from ", "\nframe #0", "\n\nC++ CapturedTraceback",
        "\nC++ CapturedTraceback", "\nSearch for `cudaError", "\nCUDA kernel errors might be",
        "\nFor debugging consider passing", "\nCompile with `TORCH_USE_CUDA_DSA`"}) {
    size_t at = text.find(mark);
    if (at != std::string::npos) text.resize(at);
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

ErrorCode CodeOfText(std::string_view text, ErrorCode fallback) {
  if (!IsOfDevice(text)) return fallback;
  // In this order: a fault's text may go on about memory.
  if (SaysDeviceLost(text)) return ErrorCode::kDeviceLost;
  if (SaysOutOfMemory(text)) return ErrorCode::kOutOfMemory;
  return fallback;
}

}  // namespace

const char* CodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case ErrorCode::kDeviceLost:
      return "DEVICE_LOST";
    case ErrorCode::kDeviceNotFound:
      return "DEVICE_NOT_FOUND";
    case ErrorCode::kModelInvalid:
      return "MODEL_INVALID";
    case ErrorCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case ErrorCode::kUnloaded:
      return "UNLOADED";
    case ErrorCode::kIo:
      return "IO";
    case ErrorCode::kInternal:
      break;
  }
  return "INTERNAL";
}

Failure::Failure(ErrorCode code, std::string message)
    : code_(code), message_(message.empty() ? "failed without a message" : std::move(message)) {}

Failure CurrentFailure(ErrorCode fallback) noexcept {
  try {
    throw;
  } catch (const Failure& failure) {
    return failure;
  } catch (const c10::OutOfMemoryError& error) {
    return Failure(ErrorCode::kOutOfMemory, FirstPart(error.what_without_backtrace()));
  } catch (const c10::AcceleratorError& error) {
    int32_t number = error.get_error_code();
    if (IsDeviceLost(number)) fallback = ErrorCode::kDeviceLost;
    if (number == kCudaOutOfMemory) fallback = ErrorCode::kOutOfMemory;
    return Failure(fallback, FirstPart(error.what_without_backtrace()));
  } catch (const torch::jit::JITException& error) {
    // What a module raises by itself, in its own words.
    return Failure(fallback, FirstPart(error.what()));
  } catch (const c10::Error& error) {
    std::string text = FirstPart(error.what_without_backtrace());
    ErrorCode code = CodeOfText(text, fallback);
    return Failure(code, std::move(text));
  } catch (const std::bad_alloc&) {
    return Failure(ErrorCode::kOutOfMemory, "The process could not allocate memory");
  } catch (const std::exception& error) {
    std::string text = FirstPart(error.what());
    ErrorCode code = CodeOfText(text, fallback);
    return Failure(code, std::move(text));
  } catch (...) {
    return Failure(fallback, "An exception of an unknown type was thrown");
  }
}

}  // namespace clip_blip
