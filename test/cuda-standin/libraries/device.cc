// Devices: how many, which one is current, and what they say of themselves.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "control.h"
#include "runtime.h"

namespace standin {
namespace {

thread_local int current = 0;
thread_local bool has_context = false;

int DeviceCount() {
  const char* set = getenv("CUDA_STANDIN_DEVICES");
  return set == nullptr ? 1 : std::clamp(atoi(set), 0, kMaxDevices);
}

/// Of an H100, so that LibTorch and our code take the ways that they take on one.
constexpr int kMajor = 9;
constexpr int kMinor = 0;
constexpr int kMultiprocessors = 132;
constexpr int kWarp = 32;
constexpr int kThreads = 1024;
constexpr int kThreadsPerMultiprocessor = 2048;
constexpr int kSharedMemory = 48 << 10;
constexpr int kSharedMemoryOptIn = 227 << 10;
constexpr int kSharedMemoryPerMultiprocessor = 228 << 10;
constexpr int kRegisters = 65536;
constexpr int kL2Bytes = 50 << 20;
constexpr int kCudaVersion = 13000;

}  // namespace

int CurrentDevice() { return current; }

bool HasContext() { return has_context; }

cudaError_t WorkError(int device) {
  has_context = true;
  return Fail(static_cast<cudaError_t>(Read(OfDevice(Slot::error_device0, device))));
}

cudaError_t LostDevice(int device) {
  has_context = true;
  auto error = static_cast<cudaError_t>(Read(OfDevice(Slot::error_device0, device)));
  // The one error that a device gets over.
  return error == cudaErrorMemoryAllocation ? cudaSuccess : Fail(error);
}

size_t TotalMemory() {
  static const size_t configured = [] {
    const char* gib = getenv("CUDA_STANDIN_GIB");
    return static_cast<size_t>((gib == nullptr ? 79.0 : atof(gib)) * (1 << 30));
  }();
  int64_t set = Read(Slot::total_bytes);
  return set > 0 ? static_cast<size_t>(set) : configured;
}

}  // namespace standin

using namespace standin;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = DeviceCount();
  return *count > 0 ? cudaSuccess : Fail(cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int* device) {
  *device = current;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= DeviceCount()) return Fail(cudaErrorInvalidDevice);
  current = device;
  has_context = true;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= DeviceCount()) return Fail(cudaErrorInvalidDevice);
  *properties = {};
  strcpy(properties->name, "CUDA stand-in");
  properties->major = kMajor;
  properties->minor = kMinor;
  properties->multiProcessorCount = kMultiprocessors;
  properties->warpSize = kWarp;
  properties->maxThreadsPerBlock = kThreads;
  properties->maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
  properties->maxBlocksPerMultiProcessor = 32;
  properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = kThreads;
  properties->maxThreadsDim[2] = 64;
  properties->maxGridSize[0] = 0x7fffffff;
  properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
  properties->sharedMemPerBlock = kSharedMemory;
  properties->sharedMemPerBlockOptin = kSharedMemoryOptIn;
  properties->sharedMemPerMultiprocessor = kSharedMemoryPerMultiprocessor;
  properties->regsPerBlock = properties->regsPerMultiprocessor = kRegisters;
  properties->l2CacheSize = kL2Bytes;
  properties->totalGlobalMem = TotalMemory();
  properties->textureAlignment = 512;
  properties->unifiedAddressing = 1;
  properties->canMapHostMemory = 1;
  properties->concurrentKernels = 1;
  properties->asyncEngineCount = 3;
  properties->pciBusID = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = kMajor;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = kMinor;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = kMultiprocessors;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = kSharedMemoryOptIn;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = kSharedMemory;
      break;
    case cudaDevAttrWarpSize:
      *value = kWarp;
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = kThreads;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = kThreadsPerMultiprocessor;
      break;
    // Most of the others say whether something is there.
    default:
      *value = 1;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  snprintf(id, static_cast<size_t>(length), "0000:%02x:00.0", static_cast<unsigned>(device));
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  static char one;
  *pool = reinterpret_cast<cudaMemPool_t>(&one);
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = kCudaVersion;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kCudaVersion;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  if (cudaError_t error = Unsafe("cudaDeviceSynchronize")) return error;
  return Wait("device", current, nullptr);
}
