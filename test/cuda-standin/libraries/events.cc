// Events. Whatever was given to a stream is over, so that an event only knows where it is.

#include "runtime.h"

using namespace standin;

namespace {

struct Event {
  int device;
  cudaStream_t stream = nullptr;
};

int DeviceOf(cudaEvent_t event) { return reinterpret_cast<Event*>(event)->device; }

}  // namespace

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new Event{CurrentDevice()});
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete reinterpret_cast<Event*>(event);
  return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  if (DeviceOf(event) != standin::DeviceOf(stream)) return Fail(cudaErrorInvalidResourceHandle);
  reinterpret_cast<Event*>(event)->stream = stream;
  return LostDevice(DeviceOf(event));
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, 0);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (cudaError_t error = Unsafe("cudaEventQuery")) return error;
  return WorkError(DeviceOf(event));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (cudaError_t error = Unsafe("cudaEventSynchronize")) return error;
  return Wait("event", DeviceOf(event), reinterpret_cast<Event*>(event)->stream);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  // Not 0, which programs divide by.
  *milliseconds = 0.01f;
  return cudaSuccess;
}
