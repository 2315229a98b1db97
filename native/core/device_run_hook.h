#pragma once

namespace clip_blip {

class DeviceBackend;

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

/// Takes the place of a device's own backend: null but in the addon of the tests.
DeviceBackend* TestBackend();

}  // namespace clip_blip
