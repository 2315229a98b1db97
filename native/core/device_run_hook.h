#pragma once

namespace clip_blip {

// These do nothing (no_faults.cc) but in the addon that tests build, where they count and may throw
// (native/faults/): which of the two is linked decides.

/// Called before each TorchScript run on a device.
void BeforeDeviceRun();

/// Lives as long as a call uses its device.
class DeviceCallMark {
 public:
  DeviceCallMark();
  ~DeviceCallMark();
  DeviceCallMark(const DeviceCallMark&) = delete;
  DeviceCallMark& operator=(const DeviceCallMark&) = delete;
};

}  // namespace clip_blip
