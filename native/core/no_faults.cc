#include "device_run_hook.h"

namespace clip_blip {

void BeforeDeviceRun() {}

DeviceCallMark::DeviceCallMark() = default;
DeviceCallMark::~DeviceCallMark() = default;

GraphBackend* TestGraphBackend() { return nullptr; }

}  // namespace clip_blip
