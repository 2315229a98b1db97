// Copies and fills. They are done at once, in the order of the calls.

#include <cstring>
#include <string>

#include "control.h"
#include "event_log.h"
#include "runtime.h"

namespace standin {
namespace {

std::string_view Name(cudaMemcpyKind kind) {
  switch (kind) {
    case cudaMemcpyHostToDevice:
      return "host to device";
    case cudaMemcpyDeviceToHost:
      return "device to host";
    case cudaMemcpyDeviceToDevice:
      return "device to device";
    default:
      return "host to host";
  }
}

/// What a copy is by its two ends, whatever its caller says.
cudaMemcpyKind KindOf(Memory to, Memory from) {
  bool to_device = to.place == Place::kDevice, from_device = from.place == Place::kDevice;
  if (to_device) return from_device ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice;
  return from_device ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost;
}

void Copy(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  Memory target = MemoryAt(to), source = MemoryAt(from);
  cudaMemcpyKind kind = KindOf(target, source);
  Add(Slot::copies);
  bool pageable = target.place == Place::kPageable || source.place == Place::kPageable;
  if (pageable) Add(Slot::copies_of_pageable);
  if (kind == cudaMemcpyHostToDevice) {
    Add(Slot::host_to_device_bytes, static_cast<int64_t>(bytes));
  }
  if (Logging()) {
    std::string what = std::string(Name(kind)) + (pageable ? ", pageable" : "");
    Log("COPY",
        {.device = DeviceOf(stream), .stream = NumberOf(stream), .bytes = bytes, .what = what});
  }
  if (kind == cudaMemcpyDeviceToHost && Read(Slot::compute) == 0) {
    memset(to, 0, bytes);
  } else {
    memmove(to, from, bytes);
  }
}

cudaError_t CopyAsync(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  cudaError_t error = cudaSuccess;
  if (Record("copy of " + std::to_string(bytes), stream, &error)) return error;
  if ((error = WorkError(DeviceOf(stream)))) return error;
  Copy(to, from, bytes, stream);
  return cudaSuccess;
}

}  // namespace
}  // namespace standin

using namespace standin;

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return CopyAsync(to, from, bytes, stream);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes,
                                cudaStream_t stream) {
  return CopyAsync(to, from, bytes, stream);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind, cudaStream_t stream) {
  for (size_t row = 0; row < height; ++row) {
    const char* source = static_cast<const char*>(from) + row * from_pitch;
    cudaError_t error = CopyAsync(static_cast<char*>(to) + row * to_pitch, source, width, stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  if (cudaError_t error = Unsafe("cudaMemcpy")) return error;
  Copy(to, from, bytes, nullptr);
  return Wait("copy", CurrentDevice(), nullptr);
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  bool captures = IsCapturing(stream);
  if (cudaError_t error = Launch("fill", stream)) return error;
  if (!captures) memset(memory, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemset(void* memory, int value, size_t bytes) {
  if (cudaError_t error = Unsafe("cudaMemset")) return error;
  return cudaMemsetAsync(memory, value, bytes, nullptr);
}
