// Kernels: how the code that nvcc has made registers them by name, and starts them. None runs.

#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "control.h"
#include "event_log.h"
#include "runtime.h"

namespace standin {
namespace {

struct Kernels {
  std::mutex mutex;
  /// Names by the function of the host that stands for the kernel.
  std::unordered_map<const void*, std::string> names;
};

/// Leaked, and made at the first use: libraries register before statics of this one are there.
Kernels& TheKernels() {
  static auto* kernels = new Kernels();
  return *kernels;
}

std::string NameOf(const void* function) {
  Kernels& kernels = TheKernels();
  std::lock_guard lock(kernels.mutex);
  auto found = kernels.names.find(function);
  return found == kernels.names.end() ? "a kernel" : found->second;
}

cudaError_t LaunchKernel(const void* function, cudaStream_t stream) {
  return Launch(Logging() ? NameOf(function) : std::string("a kernel"), stream);
}

/// What stands between <<< and >>>: one function of CUDA puts it here, the next one takes it.
struct Configuration {
  dim3 grid, block;
  size_t shared_bytes;
  cudaStream_t stream;
};
thread_local std::vector<Configuration> configurations;

}  // namespace

cudaError_t Launch(std::string_view name, cudaStream_t stream) {
  int device = DeviceOf(stream);
  if (device != CurrentDevice()) {
    Add(Slot::violations);
    Log("VIOLATION", {.device = device, .stream = NumberOf(stream), .what = name});
    return Fail(cudaErrorInvalidResourceHandle);
  }
  cudaError_t error = cudaSuccess;
  if (Record(name, stream, &error)) return error;
  if ((error = WorkError(device))) return error;
  if (TakeOne(Slot::fail_launches)) return Fail(cudaErrorMemoryAllocation);
  AddOnDevice(Slot::launches, device);
  Log("LAUNCH", {.device = device, .stream = NumberOf(stream), .what = name});
  return cudaSuccess;
}

}  // namespace standin

using namespace standin;

// ---- What nvcc's code calls; no header has it ---------------------------------------------------

extern "C" {

void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}

void __cudaRegisterFatBinaryEnd(void**) {}

void __cudaUnregisterFatBinary(void**) {}

char __cudaInitModule(void**) { return 1; }

void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}

void __cudaRegisterFunction(void**, const char* function, char*, const char* name, int, uint3*,
                            uint3*, dim3*, dim3*, int*) {
  Kernels& kernels = TheKernels();
  std::lock_guard lock(kernels.mutex);
  kernels.names[function] = name;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes,
                                     cudaStream_t stream) {
  configurations.push_back({grid, block, shared_bytes, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared_bytes,
                                       void* stream) {
  const Configuration& top = configurations.back();
  *grid = top.grid;
  *block = top.block;
  *shared_bytes = top.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = top.stream;
  configurations.pop_back();
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3, dim3, void**, size_t,
                               cudaStream_t stream) {
  return LaunchKernel(kernel, stream);
}

}  // extern "C"

// ---- What programs call -------------------------------------------------------------------------

cudaError_t cudaLaunchKernel(const void* function, dim3, dim3, void**, size_t,
                             cudaStream_t stream) {
  return LaunchKernel(function, stream);
}

cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3, dim3, void**, size_t,
                                        cudaStream_t stream) {
  return LaunchKernel(function, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void**) {
  return LaunchKernel(function, config->stream);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  cudaError_t error = cudaSuccess;
  if (Record("function of the host", stream, &error)) return error;
  function(data);
  return cudaSuccess;
}

// Numbers that a kernel of any size fits in.
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  attributes->binaryVersion = attributes->ptxVersion = 90;
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 64;
  attributes->maxDynamicSharedSizeBytes = 227 << 10;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int, size_t) {
  *blocks = 2;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int,
                                                                   size_t, unsigned) {
  *blocks = 2;
  return cudaSuccess;
}
