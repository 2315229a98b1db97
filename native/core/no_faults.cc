#include "device_run_hook.h"

namespace clip_blip {

void BeforeDeviceRun() {}

DeviceCallMark::DeviceCallMark() = default;
DeviceCallMark::~DeviceCallMark() = default;

DeviceBackend* TestBackend() { return nullptr; }

}  // namespace clip_blip
