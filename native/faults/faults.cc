#include "faults/faults.h"

#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "device/failure.h"
#include "device/test_seam.h"

namespace clip_blip {
namespace {

struct State {
  std::mutex mutex;
  std::function<void()> fault;
  int64_t nth = 0;
  int64_t runs = 0;
  int64_t fired = 0;
  int64_t calls = 0;
  int64_t most_calls = 0;
  std::set<std::thread::id> threads;
};

State& TheState() {
  static auto* state = new State();
  return *state;
}

/// What LibTorch 2.11 writes below every error of the CUDA runtime.
constexpr const char* kHints =
    "\nSearch for `cudaErrorSome' in "
    "https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html for more "
    "information.\nCUDA kernel errors might be asynchronously reported at some other API call, so "
    "the stacktrace below "
    "might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with "
    "`TORCH_USE_CUDA_DSA` to "
    "enable device-side assertions.\n";

/// An error of the CUDA runtime that only its number tells from others.
[[noreturn]] void ThrowCudaError(int32_t number) {
  throw c10::AcceleratorError({__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, number,
                              "CUDA error: number " + std::to_string(number) + kHints);
}

/// The errors that LibTorch and CUDA are known to throw, each as they throw it.
const std::map<std::string, std::function<void()>>& Kinds() {
  static const auto* kinds = new std::map<std::string, std::function<void()>>{
      {"out-of-memory",
       [] { C10_THROW_ERROR(OutOfMemoryError, "CUDA out of memory. Tried to allocate 2.00 GiB"); }},
      {"out-of-memory-as-text",
       [] {
         throw std::runtime_error(
             "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'");
       }},
      {"cublas-handle",
       [] {
         TORCH_CHECK(
             false,
             "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`");
       }},
      {"cublas-allocation",
       [] {
         TORCH_CHECK(false,
                     "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`");
       }},
      {"cudnn-allocation", [] { TORCH_CHECK(false, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"); }},
      {"cudnn-backend",
       [] {
         throw std::runtime_error(
             "CUDNN_BACKEND_TENSOR_DESCRIPTOR cudnnFinalize failed cudnn_status: "
             "CUDNN_STATUS_NOT_INITIALIZED");
       }},
      {"cpu-allocator", [] { c10::alloc_cpu(size_t{1} << 60); }},
      {"bad-alloc", [] { throw std::bad_alloc(); }},
      {"illegal-address",
       [] { TORCH_CHECK(false, "CUDA error: an illegal memory access was encountered"); }},
      {"driver-fault", [] { TORCH_CHECK(false, "CUDA driver error: unknown error"); }},
      {"device-assert",
       [] { throw std::runtime_error("CUDA error: device-side assert triggered"); }},
      {"capture-as-text",
       [] {
         throw std::runtime_error(
             std::string("CUDA error: operation not permitted when stream is capturing") + kHints);
       }},
      {"runtime-error",
       [] { throw std::runtime_error("mat1 and mat2 shapes cannot be multiplied"); }},
      // What quotes a name is no fault of the device.
      {"quoted-fault",
       [] { TORCH_CHECK(false, "no file \"CUDA error: an illegal memory access.pt\""); }},
      {"quoted-out-of-memory",
       [] { throw std::runtime_error("no file \"CUDA out of memory.pt\""); }},
      {"empty-message", [] { throw std::runtime_error(""); }},
      {"no-exception-type", [] { throw 7; }},
  };
  return *kinds;
}

/// One of the kinds above, or "cuda-" and a number of cudaError_t.
std::function<void()> FaultOf(const std::string& kind) {
  constexpr std::string_view kCuda = "cuda-";
  if (kind.rfind(kCuda, 0) == 0) {
    int32_t number = std::stoi(kind.substr(kCuda.size()));
    return [number] { ThrowCudaError(number); };
  }
  auto found = Kinds().find(kind);
  if (found != Kinds().end()) return found->second;
  throw Failure(ErrorCode::kInvalidArgument, "\"" + kind + "\" is no kind of fault");
}

}  // namespace

void ThrowFault(const std::string& kind) { FaultOf(kind)(); }

void ArmFault(const std::string& kind, int64_t nth) {
  std::function<void()> fault = FaultOf(kind);
  State& state = TheState();
  std::lock_guard lock(state.mutex);
  state.fault = std::move(fault);
  state.nth = nth;
  state.runs = 0;
  state.fired = 0;
  state.most_calls = state.calls;
  state.threads.clear();
}

int64_t DeviceRuns() {
  std::lock_guard lock(TheState().mutex);
  return TheState().runs;
}

int64_t FaultsFired() {
  std::lock_guard lock(TheState().mutex);
  return TheState().fired;
}

int64_t DeviceThreads() {
  std::lock_guard lock(TheState().mutex);
  return static_cast<int64_t>(TheState().threads.size());
}

int64_t MostDeviceCalls() {
  std::lock_guard lock(TheState().mutex);
  return TheState().most_calls;
}

DeviceCallMark::DeviceCallMark() {
  State& state = TheState();
  std::lock_guard lock(state.mutex);
  state.most_calls = std::max(state.most_calls, ++state.calls);
}

DeviceCallMark::~DeviceCallMark() {
  std::lock_guard lock(TheState().mutex);
  --TheState().calls;
}

void BeforeDeviceRun() {
  std::function<void()> fault;
  {
    State& state = TheState();
    std::lock_guard lock(state.mutex);
    state.threads.insert(std::this_thread::get_id());
    if (++state.runs == state.nth) {
      ++state.fired;
      fault = state.fault;
    }
  }
  if (fault) fault();
}

}  // namespace clip_blip
