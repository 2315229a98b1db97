#include "device/test_seam.h"
namespace clip_blip {

void BeforeDeviceRun() {}

DeviceCallMark::DeviceCallMark() = default;
DeviceCallMark::~DeviceCallMark() = default;

DeviceBackend* TestBackend() { return nullptr; }

}  // namespace clip_blip
