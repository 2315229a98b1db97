// The negative control of sanitize.test.ts: the same program, over work that each caller does on a
// thread of its own.
#include "device/device_thread.h"

namespace clip_blip {

void RunOnDeviceThread(c10::Device, const std::function<void()>& work, CacheRelease) { work(); }

}  // namespace clip_blip
