// Writes what a process does with CUDA to the file named by CLIP_BLIP_TRACE, a line each: kind (K kernel, C copy, A call of
// the runtime), start and end in nanoseconds, name. The driver loads this library into every process that has its path in
// CUDA_INJECTION64_PATH, and calls InitializeInjection; see parts/trace.mjs.
#include <cupti.h>
#include <cxxabi.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

constexpr size_t kBufferBytes = 4 << 20;
// A process that is killed loses no more than this. CUPTI's own period is for buffers that are full.
constexpr auto kFlushPeriod = std::chrono::milliseconds(100);

FILE* Output() {
  static FILE* const file = std::fopen(std::getenv("CLIP_BLIP_TRACE"), "w");
  return file;
}

std::string Demangled(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = status == 0 ? text : name;
  std::free(text);
  return result;
}

void Write(char kind, uint64_t start, uint64_t end, const std::string& name) {
  std::fprintf(Output(), "%c\t%llu\t%llu\t%s\n", kind, static_cast<unsigned long long>(start),
               static_cast<unsigned long long>(end), name.c_str());
}

void WriteRecord(const CUpti_Activity* record) {
  if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
    auto* kernel = reinterpret_cast<const CUpti_ActivityKernel10*>(record);
    Write('K', kernel->start, kernel->end, Demangled(kernel->name));
  } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
    auto* copy = reinterpret_cast<const CUpti_ActivityMemcpy6*>(record);
    const char* name = copy->copyKind == CUPTI_ACTIVITY_MEMCPY_KIND_HTOD   ? "upload"
                       : copy->copyKind == CUPTI_ACTIVITY_MEMCPY_KIND_DTOH ? "download"
                                                                           : "copy on the device";
    const char* memory = copy->srcKind == CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE ||
                                 copy->dstKind == CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE
                             ? ", pageable memory"
                             : "";
    Write('C', copy->start, copy->end, std::string(name) + memory);
  } else if (record->kind == CUPTI_ACTIVITY_KIND_RUNTIME) {
    auto* call = reinterpret_cast<const CUpti_ActivityAPI*>(record);
    const char* name = "?";
    cuptiGetCallbackName(CUPTI_CB_DOMAIN_RUNTIME_API, call->cbid, &name);
    Write('A', call->start, call->end, name);
  }
}

void CUPTIAPI GiveBuffer(uint8_t** buffer, size_t* size, size_t* max_records) {
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(8, kBufferBytes));
  *size = kBufferBytes;
  *max_records = 0;
}

void CUPTIAPI TakeBuffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid) {
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) WriteRecord(record);
  std::fflush(Output());
  std::free(buffer);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  if (Output() == nullptr) return 0;
  cuptiActivityRegisterCallbacks(GiveBuffer, TakeBuffer);
  for (CUpti_ActivityKind kind : {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
                                  CUPTI_ACTIVITY_KIND_RUNTIME}) {
    if (cuptiActivityEnable(kind) != CUPTI_SUCCESS) std::fprintf(stderr, "CUPTI refuses to trace\n");
  }
  std::thread([] {
    for (;;) {
      std::this_thread::sleep_for(kFlushPeriod);
      cuptiActivityFlushAll(0);
    }
  }).detach();
  return 1;
}
