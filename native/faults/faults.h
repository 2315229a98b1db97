#pragma once

#include <cstdint>
#include <string>

namespace clip_blip {

/// Lets the `nth` run on a device from now on throw an error of a kind, once; 0 disarms.
void ArmFault(const std::string& kind, int64_t nth);
/// Throws an error of a kind.
void ThrowFault(const std::string& kind);
/// Runs on a device since the last ArmFault, and faults thrown since then.
int64_t DeviceRuns();
int64_t FaultsFired();
/// Threads that have run something on a device since then.
int64_t DeviceThreads();
/// The most calls that used a device at a time since then.
int64_t MostDeviceCalls();

}  // namespace clip_blip
