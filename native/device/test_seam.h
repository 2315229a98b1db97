#pragma once

namespace clip_blip {

class DeviceBackend;

// The seam of the tests. These do nothing in the shipped addon (no_test_seam.cc). In the addon for
// tests (native/faults/) they count and may throw: what is linked decides.

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
