#include "graph_backend.h"

#include <dlfcn.h>

#include <string>

#include "device_run_hook.h"

namespace clip_blip {
namespace {

GraphBackend* OpenCudaBackend() {
  Dl_info self{};
  if (dladdr(reinterpret_cast<const void*>(&OpenCudaBackend), &self) == 0) return nullptr;
  std::string path = self.dli_fname;
  path = path.substr(0, path.rfind('/') + 1) + "clip_blip_cuda.so";
  // Missing, or made for another LibTorch: calls run without graphs.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) return nullptr;
  auto function = reinterpret_cast<GraphBackendFunction>(dlsym(library, kGraphBackendSymbol));
  return function == nullptr ? nullptr : function(CLIP_BLIP_TORCH_VERSION);
}

}  // namespace

GraphBackend* GraphBackendFor(c10::Device device) {
  if (GraphBackend* backend = TestGraphBackend()) return backend;
  if (!device.is_cuda()) return nullptr;
  static GraphBackend* const backend = OpenCudaBackend();
  return backend;
}

}  // namespace clip_blip
