#pragma once

#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace clip_blip {

struct DeviceInfo {
  std::string name;
  std::string description;
};

/// The CPU, then every accelerator. A driver that fails counts as no accelerator.
std::vector<DeviceInfo> ListDevices() noexcept;

/// "cpu", "cuda" (the first one) or "cuda:<index>"; throws DEVICE_NOT_FOUND for any other.
c10::Device ParseDevice(const std::string& name);

/// Whether the CPU multiplies bfloat16 matrices in hardware.
bool CpuHasFastBfloat16();

}  // namespace clip_blip
