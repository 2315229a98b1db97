#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace clip_blip {

/// Turns on the devices of this process: each device has one holder at a time, whichever JavaScript
/// thread it belongs to, and the others wait in the order in which they came. Waiting is an entry
/// in a list: no thread is held. Beside the turns it keeps which devices are lost, which is as true
/// for one thread as for another. All methods may be called from any thread.
class DeviceTurns {
 public:
  /// Identifies a JavaScript thread; only compared, never dereferenced.
  using Owner = const void*;
  /// Told that a waiting turn has come. It is called under the lock of the list, so that it never
  /// meets an owner that has left: it must only pass the word on.
  using Grant = std::function<void()>;

  /// The one list of the process. Never destroyed: threads may still end when static objects are
  /// destroyed.
  static DeviceTurns& Instance();

  /// Takes the device if nobody holds it; false if somebody does.
  bool TryAcquire(const std::string& device, Owner owner);
  /// Takes the device when its turn comes, and says so with `grant`, which may be at once.
  void Acquire(const std::string& device, Owner owner, Grant grant);
  /// Ends the owner's turn on the device; one that it does not have is ignored.
  void Release(const std::string& device, Owner owner);
  /// The owner's thread ends: what it holds is released, what it waits for forgotten.
  void Leave(Owner owner);
  /// Number of waiters for the device, in all threads.
  size_t Waiting(const std::string& device);

  /// Marks the device as lost for good. The first reason stays.
  void MarkLost(const std::string& device, const std::string& reason);
  /// Why the device is lost; nothing while it can be used.
  std::optional<std::string> LostReason(const std::string& device);
  /// For tests: the device can be used again.
  void ForgetLost(const std::string& device);

 private:
  struct Waiter {
    Owner owner;
    Grant grant;
  };
  struct Line {
    Owner holder = nullptr;
    std::deque<Waiter> waiting;
    std::optional<std::string> lost;
  };

  static void PassOn(Line& line);

  std::mutex mutex_;
  std::unordered_map<std::string, Line> lines_;
};

}  // namespace clip_blip
