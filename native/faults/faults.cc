#include "faults.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <thread>

#include "../core/device_run_hook.h"
#include "../core/failure.h"

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

/// The errors that LibTorch and CUDA are known to throw, each as they throw it.
const std::map<std::string, std::function<void()>>& Kinds() {
  static const auto* kinds = new std::map<std::string, std::function<void()>>{
      {"out-of-memory",
       [] { C10_THROW_ERROR(OutOfMemoryError, "CUDA out of memory. Tried to allocate 2.00 GiB"); }},
      {"out-of-memory-as-text",
       [] { throw std::runtime_error("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'"); }},
      {"cublas-handle",
       [] {
         TORCH_CHECK(false, "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`");
       }},
      {"cublas-allocation",
       [] {
         TORCH_CHECK(false, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`");
       }},
      {"bad-alloc", [] { throw std::bad_alloc(); }},
      {"illegal-address",
       [] { TORCH_CHECK(false, "CUDA error: an illegal memory access was encountered"); }},
      {"device-assert", [] { throw std::runtime_error("CUDA error: device-side assert triggered"); }},
      {"runtime-error", [] { throw std::runtime_error("mat1 and mat2 shapes cannot be multiplied"); }},
      {"empty-message", [] { throw std::runtime_error(""); }},
      {"no-exception-type", [] { throw 7; }},
  };
  return *kinds;
}

const std::function<void()>& FaultOf(const std::string& kind) {
  auto found = Kinds().find(kind);
  if (found != Kinds().end()) return found->second;
  throw Failure(ErrorCode::kInvalidArgument, "\"" + kind + "\" is no kind of fault");
}

}  // namespace

void ThrowFault(const std::string& kind) { FaultOf(kind)(); }

void ArmFault(const std::string& kind, int64_t nth) {
  const std::function<void()>& fault = FaultOf(kind);
  State& state = TheState();
  std::lock_guard lock(state.mutex);
  state.fault = fault;
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
