#include "device/device_turns.h"

#include <utility>

namespace clip_blip {

DeviceTurns& DeviceTurns::Instance() {
  static auto* turns = new DeviceTurns();
  return *turns;
}

bool DeviceTurns::TryAcquire(const std::string& device, Owner owner) {
  std::lock_guard lock(mutex_);
  Line& line = lines_[device];
  if (line.holder != nullptr) return false;
  line.holder = owner;
  return true;
}

void DeviceTurns::Acquire(const std::string& device, Owner owner, Grant grant) {
  std::lock_guard lock(mutex_);
  Line& line = lines_[device];
  line.waiting.push_back({owner, std::move(grant)});
  // Whoever holds the device passes it on; where nobody does, this one is alone in the line.
  if (line.holder == nullptr) PassOn(line);
}

void DeviceTurns::Release(const std::string& device, Owner owner) {
  std::lock_guard lock(mutex_);
  auto found = lines_.find(device);
  if (found != lines_.end() && found->second.holder == owner) PassOn(found->second);
}

void DeviceTurns::Leave(Owner owner) {
  std::lock_guard lock(mutex_);
  for (auto& [device, line] : lines_) {
    std::erase_if(line.waiting, [owner](const Waiter& waiter) { return waiter.owner == owner; });
    if (line.holder == owner) PassOn(line);
  }
}

size_t DeviceTurns::Waiting(const std::string& device) {
  std::lock_guard lock(mutex_);
  return lines_[device].waiting.size();
}

void DeviceTurns::MarkLost(const std::string& device, const std::string& reason) {
  std::lock_guard lock(mutex_);
  std::optional<std::string>& lost = lines_[device].lost;
  if (!lost) lost = reason;
}

std::optional<std::string> DeviceTurns::LostReason(const std::string& device) {
  std::lock_guard lock(mutex_);
  return lines_[device].lost;
}

void DeviceTurns::ForgetLost(const std::string& device) {
  std::lock_guard lock(mutex_);
  lines_[device].lost.reset();
}

void DeviceTurns::PassOn(Line& line) {
  line.holder = nullptr;
  if (line.waiting.empty()) return;
  Waiter next = std::move(line.waiting.front());
  line.waiting.pop_front();
  line.holder = next.owner;
  next.grant();
}

}  // namespace clip_blip
