#include "device/device_backend.h"

#include <dlfcn.h>

#include <string>

#include "device/test_seam.h"

namespace clip_blip {
namespace {

DeviceBackend* OpenCudaBackend() {
  Dl_info self{};
  if (dladdr(reinterpret_cast<const void*>(&OpenCudaBackend), &self) == 0) return nullptr;
  std::string path = self.dli_fname;
  path = path.substr(0, path.rfind('/') + 1) + "clip_blip_cuda.so";
  // Missing, or built for another LibTorch: calls run without it.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) return nullptr;
  auto function = reinterpret_cast<DeviceBackendFunction>(dlsym(library, kDeviceBackendSymbol));
  return function == nullptr ? nullptr : function(CLIP_BLIP_TORCH_VERSION);
}

}  // namespace

DeviceBackend* BackendOf(c10::Device device) {
  if (DeviceBackend* backend = TestBackend()) return backend;
  if (!device.is_cuda()) return nullptr;
  static DeviceBackend* const backend = OpenCudaBackend();
  return backend;
}

}  // namespace clip_blip
