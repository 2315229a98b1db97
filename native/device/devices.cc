#include "device/devices.h"

#include <ATen/DeviceAccelerator.h>
#include <ATen/Version.h>
#include <c10/core/DeviceType.h>

#include <charconv>
#include <optional>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "device/failure.h"
#include "device/runtime.h"

namespace clip_blip {
namespace {

struct Accelerator {
  c10::DeviceType type;
  int count;
};

std::optional<Accelerator> FindAccelerator() noexcept {
  try {
    std::optional<c10::DeviceType> type = at::accelerator::getAccelerator(/*checked=*/false);
    if (!type) return std::nullopt;
    int count = at::accelerator::deviceCount();
    if (count <= 0) return std::nullopt;
    return Accelerator{*type, count};
  } catch (...) {
    return std::nullopt;
  }
}

std::string TypeName(c10::DeviceType type) {
  return c10::DeviceTypeName(type, /*lower_case=*/true);
}

}  // namespace

std::vector<DeviceInfo> ListDevices() noexcept {
  std::vector<DeviceInfo> devices;
  devices.push_back({"cpu", "CPU, " + std::to_string(DefaultThreadCount()) + " threads, " +
                                at::get_cpu_capability()});
  if (std::optional<Accelerator> accelerator = FindAccelerator()) {
    std::string type = TypeName(accelerator->type);
    std::string title = c10::DeviceTypeName(accelerator->type);
    for (int index = 0; index < accelerator->count; ++index) {
      devices.push_back(
          {type + ":" + std::to_string(index), title + " device " + std::to_string(index)});
    }
  }
  return devices;
}

c10::Device ParseDevice(const std::string& name) {
  if (name == "cpu") return c10::Device(c10::kCPU);
  std::optional<Accelerator> accelerator = FindAccelerator();
  if (accelerator) {
    std::string prefix = TypeName(accelerator->type);
    if (name == prefix) return c10::Device(accelerator->type, 0);
    prefix += ':';
    if (name.size() > prefix.size() && name.compare(0, prefix.size(), prefix) == 0) {
      int index = -1;
      const char* end = name.data() + name.size();
      auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, index);
      if (error == std::errc() && stop == end && index >= 0 && index < accelerator->count) {
        return c10::Device(accelerator->type, static_cast<c10::DeviceIndex>(index));
      }
    }
  }
  std::string present;
  for (const DeviceInfo& device : ListDevices()) {
    present += (present.empty() ? "" : ", ") + device.name;
  }
  throw Failure(ErrorCode::kDeviceNotFound,
                "There is no device \"" + name + "\" here; LibTorch sees: " + present);
}

bool CpuHasFastBfloat16() {
  // Asked of the CPU itself: ATen renamed these questions between 2.11 and 2.13. Every CPU with AMX
  // has AVX512-BF16, too.
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__) && defined(__linux__)
  constexpr unsigned long kBfloat16 = 1UL << 14;  // HWCAP2_BF16
  return (getauxval(AT_HWCAP2) & kBfloat16) != 0;
#else
  return false;
#endif
}

}  // namespace clip_blip
