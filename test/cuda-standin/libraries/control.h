#pragma once

#include <cstdint>

namespace standin {

/// The slots of the control block: see slots.def.
enum class Slot : int {
#define COUNTER(name) name,
#define SWITCH(name) name,
#include "slots.def"
#undef COUNTER
#undef SWITCH
  kCount,
};

/// Devices that there are slots for.
constexpr int kMaxDevices = 2;

/// The slot of a device, where `first` is that of device 0.
inline Slot OfDevice(Slot first, int device) {
  return static_cast<Slot>(static_cast<int>(first) + device);
}

void Add(Slot counter, int64_t amount = 1);
/// Adds to the counter of all devices, and to that of one: it lies behind, after device 0's.
void AddOnDevice(Slot all, int device, int64_t amount = 1);
int64_t Read(Slot slot);

/// Whether this call is one of the next ones that a switch speaks of; it takes one off it.
bool TakeOne(Slot slot);

}  // namespace standin
