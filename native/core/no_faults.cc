#include "device_run_hook.h"

namespace clip_blip {

void BeforeDeviceRun() {}

}  // namespace clip_blip
