#include "runtime.h"

namespace standin {
namespace {

thread_local cudaError_t last = cudaSuccess;

}  // namespace

cudaError_t Fail(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

}  // namespace standin

cudaError_t cudaGetLastError() {
  cudaError_t error = standin::last;
  standin::last = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() { return standin::last; }

// The texts are CUDA's own: programs look for them.
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorIllegalState:
      return "the operation cannot be performed in the present state";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorAssert:
      return "device-side assert triggered";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureWrongThread:
      return "attempt to terminate a thread-local capture sequence from another thread";
    default:
      return "unrecognized error code";
  }
}

const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaSuccess ? "cudaSuccess" : "cudaErrorOfTheStandIn";
}
