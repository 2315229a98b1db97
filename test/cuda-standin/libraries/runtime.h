// What the files of the stand-in's libraries share. They are one libcudart, whose functions cuBLAS,
// cuDNN and the others use too.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string_view>

namespace standin {

// ---- Devices and errors -------------------------------------------------------------------------

/// Remembers an error for cudaGetLastError(), and gives it back.
cudaError_t Fail(cudaError_t error);

/// The thread's current device.
int CurrentDevice();

/// What work on this device ends with; cudaSuccess where it works.
cudaError_t WorkError(int device);
/// Whether the calling thread has a context of a device: it has chosen one, or used one.
bool HasContext();
/// The same for what a lost device does not do, and one that ran out of memory does.
cudaError_t LostDevice(int device);

size_t TotalMemory();

// ---- Streams and captures -----------------------------------------------------------------------

int DeviceOf(cudaStream_t stream);
/// For the log: 1 and more in the order of their making, 0 for the default one.
int NumberOf(cudaStream_t stream);

bool IsCapturing(cudaStream_t stream);
/// Whether a stream captures because the calling thread has told it to.
bool ThreadCaptures();

/// What CUDA does not allow while a stream captures: it invalidates the captures that it would
/// disturb. cudaSuccess where there are none.
cudaError_t Unsafe(std::string_view call);
/// The same for a call that waits for a stream or asks about it.
cudaError_t UnsafeOnStream(std::string_view call, cudaStream_t stream);

/// Records something where the stream captures. Whether it does; `error` is what the call ends
/// with.
bool Record(std::string_view name, cudaStream_t stream, cudaError_t* error);

/// Counts that the host waits for something of a device, and gives back what that ends with.
cudaError_t Wait(std::string_view what, int device, cudaStream_t stream);

/// What a capture has become.
struct Graph {
  int device;
  long nodes;
};

// ---- Work ---------------------------------------------------------------------------------------

/// Starts something with a name on a stream: counts it, or records it where the stream captures.
cudaError_t Launch(std::string_view name, cudaStream_t stream);

// ---- Memory -------------------------------------------------------------------------------------

enum class Place { kPageable, kPinned, kDevice };

struct Memory {
  Place place;
  /// Of a device's memory.
  int device;
};

/// Where an address lies.
Memory MemoryAt(const void* address);

}  // namespace standin
