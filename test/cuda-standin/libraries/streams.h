#pragma once

#include <atomic>

#include "runtime.h"

namespace standin {

struct Stream {
  Stream(int device, int number) : device(device), number(number) {}

  const int device;
  const int number;
  /// Other threads may invalidate a capture. The rest is its own thread's.
  std::atomic<cudaStreamCaptureStatus> status = cudaStreamCaptureStatusNone;
  unsigned long long capture = 0;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  long thread = 0;
  long nodes = 0;
};

/// Null for the default streams.
Stream* StreamOf(cudaStream_t stream);

}  // namespace standin
