#include "device/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/csrc/api/include/torch/version.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 13
#include <torch/csrc/jit/runtime/profiling_graph_executor_impl.h>
#define CLIP_BLIP_HAS_INPUT_INDEPENDENT_OPTIMIZATION
#endif

#include <mutex>

#include "device/memory.h"

namespace clip_blip {
namespace {

int default_threads = 1;

void InitializeOnce() {
  InstallCountingAllocator();
  default_threads = at::get_num_threads();

  // Without it the interpreter turns every exception into std::runtime_error, and an out-of-memory
  // error can only be told by its text.
  FLAGS_torch_jit_enable_rethrow_caught_exception = true;

  // Batches change their size from call to call. A profiling executor compiles for the shapes that
  // it saw, and a fuser generates code for them: both make the first calls of each new size slow.
  torch::jit::getProfilingMode() = false;
  torch::jit::setTensorExprFuserEnabled(false);
#ifdef CLIP_BLIP_HAS_INPUT_INDEPENDENT_OPTIMIZATION
  FLAGS_torch_jit_input_independent_optimization = true;
#endif

  // For the same reason: no search for the fastest convolution per shape, no cuDNN attention plans
  // (those are kept per thread and per shape, and take up to half a second to make).
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setSDPUseCuDNN(false);
}

}  // namespace

void InitializeProcess() {
  static std::once_flag once;
  std::call_once(once, InitializeOnce);
}

int DefaultThreadCount() { return default_threads; }

void UseAllThreads() {
  if (at::get_num_threads() != default_threads) at::set_num_threads(default_threads);
}

}  // namespace clip_blip
