// cuBLAS. Its products are counted, and not computed.

#include "control.h"
#include "runtime.h"

using namespace standin;

namespace {

/// cublasStatus_t.
constexpr int kSuccess = 0;
constexpr int kExecutionFailed = 13;

/// cublasMath_t.
constexpr int kTf32Math = 3;

struct Handle {
  cudaStream_t stream = nullptr;
  int math_mode = 0;
  int pointer_mode = 0;
};

int Product(const char* name, const Handle* handle) {
  Add(Slot::product_calls);
  if (handle->math_mode == kTf32Math) Add(Slot::tf32_products);
  return Launch(name, handle->stream) == cudaSuccess ? kSuccess : kExecutionFailed;
}

}  // namespace

extern "C" {

int cublasCreate_v2(Handle** handle) {
  *handle = new Handle();
  return kSuccess;
}

int cublasDestroy_v2(Handle* handle) {
  delete handle;
  return kSuccess;
}

int cublasSetStream_v2(Handle* handle, cudaStream_t stream) {
  handle->stream = stream;
  return kSuccess;
}

int cublasSetWorkspace_v2(Handle*, void*, size_t) { return kSuccess; }

int cublasGetMathMode(const Handle* handle, int* mode) {
  *mode = handle->math_mode;
  return kSuccess;
}

int cublasSetMathMode(Handle* handle, int mode) {
  handle->math_mode = mode;
  return kSuccess;
}

int cublasGetPointerMode_v2(const Handle* handle, int* mode) {
  *mode = handle->pointer_mode;
  return kSuccess;
}

int cublasSetPointerMode_v2(Handle* handle, int mode) {
  handle->pointer_mode = mode;
  return kSuccess;
}

const char* cublasGetStatusString(int status) {
  return status == kSuccess ? "CUBLAS_STATUS_SUCCESS" : "a status of the stand-in";
}

// Whatever the other parameters say.
#define PRODUCT(name) \
  int name(const Handle* handle, ...) { return Product(#name, handle); }
PRODUCT(cublasGemmEx)
PRODUCT(cublasGemmStridedBatchedEx)
PRODUCT(cublasSgemmEx)
PRODUCT(cublasSgemm_v2)
PRODUCT(cublasSgemmBatched)
PRODUCT(cublasSgemmStridedBatched)
PRODUCT(cublasSgemv_v2)
PRODUCT(cublasDgemm_v2)
PRODUCT(cublasDgemmBatched)
PRODUCT(cublasDgemmStridedBatched)
PRODUCT(cublasDgemv_v2)
PRODUCT(cublasDotEx)
PRODUCT(cublasSdot_v2)
PRODUCT(cublasDdot_v2)
#undef PRODUCT

}  // extern "C"
