// Registers the addon with Node; the one for tests (native/faults/addon.cc) has a registration of
// its own.

#include "addon.h"

namespace clip_blip {

NODE_API_MODULE(clip_blip_torch, InitializeAddon)

}  // namespace clip_blip
