#pragma once

namespace clip_blip {

/// Called before each TorchScript run on a device. It does nothing (no_faults.cc) but in the addon
/// that tests build, where it may throw (native/faults/): which of the two is linked decides.
void BeforeDeviceRun();

}  // namespace clip_blip
