// cuDNN: a convolution is described piece by piece, and counted where it is run. The answers are
// those that its front end in LibTorch takes for a description that is complete.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "control.h"
#include "runtime.h"

using namespace standin;

namespace {

/// cudnnStatus_t.
constexpr int kSuccess = 0;
constexpr int kExecutionFailed = 5000;

/// cudnnBackendAttributeType_t.
constexpr int kInt64 = 3;
constexpr int kDescriptor = 15;

struct Handle {
  cudaStream_t stream = nullptr;
};

/// cudnnBackendDescriptor_t: nobody looks into it.
struct Descriptor {};

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return 91900; }

size_t cudnnGetCudartVersion() { return 13000; }

const char* cudnnGetErrorString(int) { return "a status of the stand-in"; }

void cudnnGetLastErrorString(char* text, size_t bytes) {
  if (bytes > 0) text[0] = '\0';
}

int cudnnCreate(Handle** handle) {
  *handle = new Handle();
  return kSuccess;
}

int cudnnDestroy(Handle* handle) {
  delete handle;
  return kSuccess;
}

int cudnnSetStream(Handle* handle, cudaStream_t stream) {
  handle->stream = stream;
  return kSuccess;
}

int cudnnGetStream(const Handle* handle, cudaStream_t* stream) {
  *stream = handle->stream;
  return kSuccess;
}

int cudnnBackendCreateDescriptor(int, Descriptor** made) {
  *made = new Descriptor();
  return kSuccess;
}

int cudnnBackendDestroyDescriptor(Descriptor* descriptor) {
  delete descriptor;
  return kSuccess;
}

int cudnnBackendFinalize(Descriptor*) { return kSuccess; }

int cudnnBackendSetAttribute(Descriptor*, int, int, int64_t, const void*) { return kSuccess; }

int cudnnBackendGetAttribute(const Descriptor*, int, int type, int64_t wanted, int64_t* count,
                             void* values) {
  int64_t given = 0;
  // One engine, which is what a search for engines asks for.
  if (type == kDescriptor) given = 1;
  if (type == kInt64 && wanted > 0) {
    // The size of a workspace, say.
    if (values != nullptr) memset(values, 0, sizeof(int64_t));
    given = 1;
  }
  if (count != nullptr) *count = given;
  return kSuccess;
}

int cudnnBackendExecute(const Handle* handle, Descriptor*, Descriptor*) {
  Add(Slot::cudnn_calls);
  return Launch("cudnnBackendExecute", handle->stream) == cudaSuccess ? kSuccess : kExecutionFailed;
}

}  // extern "C"
