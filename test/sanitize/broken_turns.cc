// The negative control of sanitize.test.ts: the same program, over turns that any number of threads have at a time.
#include "device/device_turns.h"

namespace clip_blip {

DeviceTurns& DeviceTurns::Instance() {
  static auto* turns = new DeviceTurns();
  return *turns;
}

bool DeviceTurns::TryAcquire(const std::string&, Owner) { return true; }
void DeviceTurns::Acquire(const std::string&, Owner, Grant grant) { grant(); }
void DeviceTurns::Release(const std::string&, Owner) {}
void DeviceTurns::Leave(Owner) {}
size_t DeviceTurns::Waiting(const std::string&) { return 0; }
void DeviceTurns::MarkLost(const std::string&, const std::string&) {}
std::optional<std::string> DeviceTurns::LostReason(const std::string&) { return std::nullopt; }
void DeviceTurns::ForgetLost(const std::string&) {}

}  // namespace clip_blip
