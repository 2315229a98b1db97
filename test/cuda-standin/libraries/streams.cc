// Streams and what they capture. There is nothing to run, so that a stream has no work to wait for;
// what is watched is what CUDA forbids while one captures. A capture that events would spread to
// other streams is not followed there.

#include "streams.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>

#include "control.h"
#include "event_log.h"

namespace standin {
namespace {

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;
thread_local const long this_thread = syscall(SYS_gettid);

struct Streams {
  std::mutex mutex;
  std::set<Stream*> all;
  /// Those that capture, so that nobody looks for them where there are none.
  std::atomic<int> capturing = 0;
  unsigned long long captures = 0;
};

/// Leaked: threads may still run while statics go.
Streams& TheStreams() {
  static auto* streams = new Streams();
  return *streams;
}

void Violation(std::string_view call, const Stream* stream) {
  Add(Slot::violations);
  Log("VIOLATION", {.device = stream->device, .stream = stream->number, .what = call});
}

cudaError_t Refuse(std::string_view call, Stream* stream) {
  stream->status = cudaStreamCaptureStatusInvalidated;
  Violation(call, stream);
  return Fail(cudaErrorStreamCaptureUnsupported);
}

/// Whether a call of this thread that might disturb any stream disturbs this one.
bool Disturbs(const Stream& stream) {
  if (stream.status == cudaStreamCaptureStatusNone) return false;
  if (thread_mode == cudaStreamCaptureModeRelaxed) return false;
  if (stream.thread == this_thread) return stream.mode != cudaStreamCaptureModeRelaxed;
  return stream.mode == cudaStreamCaptureModeGlobal && thread_mode == cudaStreamCaptureModeGlobal;
}

}  // namespace

Stream* StreamOf(cudaStream_t stream) {
  bool is_default =
      stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
  return is_default ? nullptr : reinterpret_cast<Stream*>(stream);
}

int DeviceOf(cudaStream_t stream) {
  const Stream* of = StreamOf(stream);
  return of == nullptr ? CurrentDevice() : of->device;
}

int NumberOf(cudaStream_t stream) {
  const Stream* of = StreamOf(stream);
  return of == nullptr ? 0 : of->number;
}

bool IsCapturing(cudaStream_t stream) {
  const Stream* of = StreamOf(stream);
  return of != nullptr && of->status != cudaStreamCaptureStatusNone;
}

bool ThreadCaptures() {
  Streams& streams = TheStreams();
  if (streams.capturing == 0) return false;
  std::lock_guard lock(streams.mutex);
  for (const Stream* stream : streams.all) {
    if (stream->status != cudaStreamCaptureStatusNone && stream->thread == this_thread) return true;
  }
  return false;
}

cudaError_t Unsafe(std::string_view call) {
  Streams& streams = TheStreams();
  if (streams.capturing == 0) return cudaSuccess;
  std::lock_guard lock(streams.mutex);
  for (Stream* stream : streams.all) {
    if (Disturbs(*stream)) return Refuse(call, stream);
  }
  return cudaSuccess;
}

cudaError_t UnsafeOnStream(std::string_view call, cudaStream_t stream) {
  if (IsCapturing(stream)) return Refuse(call, StreamOf(stream));
  return Unsafe(call);
}

bool Record(std::string_view name, cudaStream_t stream, cudaError_t* error) {
  Stream* of = StreamOf(stream);
  if (of == nullptr) {
    // Nothing that a graph could keep in order with the rest of what this thread records.
    if (ThreadCaptures()) *error = Unsafe(name);
    return *error != cudaSuccess;
  }
  switch (of->status.load()) {
    case cudaStreamCaptureStatusNone:
      return false;
    case cudaStreamCaptureStatusActive:
      ++of->nodes;
      Log("NODE", {.device = of->device, .stream = of->number, .what = name});
      *error = of->nodes == Read(Slot::refuse_captures_at) ? Refuse(name, of) : cudaSuccess;
      return true;
    default:
      *error = Fail(cudaErrorStreamCaptureInvalidated);
      return true;
  }
}

cudaError_t Wait(std::string_view what, int device, cudaStream_t stream) {
  Add(Slot::device_waits);
  Log("WAIT", {.device = device, .stream = NumberOf(stream), .what = what});
  while (Read(Slot::hold_waits) != 0) usleep(1000);
  return WorkError(device);
}

}  // namespace standin

using namespace standin;

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  Streams& streams = TheStreams();
  std::lock_guard lock(streams.mutex);
  auto* made = new Stream(CurrentDevice(), static_cast<int>(streams.all.size()) + 1);
  streams.all.insert(made);
  *stream = reinterpret_cast<cudaStream_t>(made);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}

// It stays in the list: its number is not given twice.
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (cudaError_t error = UnsafeOnStream("cudaStreamSynchronize", stream)) return error;
  return Wait("stream", DeviceOf(stream), stream);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (cudaError_t error = UnsafeOnStream("cudaStreamQuery", stream)) return error;
  return WorkError(DeviceOf(stream));
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t, unsigned) {
  Add(Slot::stream_waits);
  return LostDevice(DeviceOf(stream));
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const Stream* of = StreamOf(stream);
  *status = of == nullptr ? cudaStreamCaptureStatusNone : of->status.load();
  return cudaSuccess;
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t*, const cudaGraphNode_t**,
                                     const cudaGraphEdgeData**, size_t* dependencies) {
  const Stream* of = StreamOf(stream);
  cudaStreamIsCapturing(stream, status);
  if (id != nullptr) *id = of == nullptr ? 0 : of->capture;
  if (dependencies != nullptr) *dependencies = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  Stream* of = StreamOf(stream);
  if (of == nullptr) return Fail(cudaErrorStreamCaptureUnsupported);
  if (cudaError_t error = LostDevice(of->device)) return error;
  Streams& streams = TheStreams();
  std::lock_guard lock(streams.mutex);
  if (of->status != cudaStreamCaptureStatusNone) return Fail(cudaErrorIllegalState);
  of->capture = ++streams.captures;
  of->mode = mode;
  of->thread = this_thread;
  of->nodes = 0;
  of->status = cudaStreamCaptureStatusActive;
  ++streams.capturing;
  Add(Slot::captures);
  Log("BEGIN", {.device = of->device,
                .stream = of->number,
                .what = mode == cudaStreamCaptureModeThreadLocal ? "thread-local"
                        : mode == cudaStreamCaptureModeGlobal    ? "global"
                                                                 : "relaxed"});
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Stream* of = StreamOf(stream);
  *graph = nullptr;
  if (of == nullptr || of->status == cudaStreamCaptureStatusNone) {
    return Fail(cudaErrorIllegalState);
  }
  if (of->thread != this_thread && of->mode != cudaStreamCaptureModeRelaxed) {
    return Fail(cudaErrorStreamCaptureWrongThread);
  }
  bool refused = of->status == cudaStreamCaptureStatusInvalidated;
  if (Logging()) {
    std::string what = std::to_string(of->nodes) + (refused ? " nodes, refused" : " nodes");
    Log("END", {.device = of->device, .stream = of->number, .what = what});
  }
  of->status = cudaStreamCaptureStatusNone;
  --TheStreams().capturing;
  if (refused) {
    Add(Slot::refused_captures);
    return Fail(cudaErrorStreamCaptureInvalidated);
  }
  *graph = reinterpret_cast<cudaGraph_t>(new Graph{of->device, of->nodes});
  return LostDevice(of->device);
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, thread_mode);
  return cudaSuccess;
}
