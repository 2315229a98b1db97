#pragma once

#include <optional>
#include <thread>
#include <utility>

#include "device/failure.h"
#include "device/runtime.h"

namespace clip_blip {

/// Runs work that is not a call to a device on a thread of its own, and waits until it is done. A
/// failure is returned as a value.
///
/// OpenMP keeps a team of threads for each thread that has ever begun a loop, until it ends, and
/// the threads of a pool do not end. Where all teams of a process have more threads than there are
/// CPUs, those of libgomp no longer stay awake between two loops. Each loop of each call begins
/// with a wake-up then, and Linux is prone to wake a thread on the CPU of the one that wakes it: on
/// two cores, a picture took 48 ms in place of 27 after every pause.
template <typename Work>
std::optional<Failure> AttemptOnOwnThread(Work&& work, ErrorCode fallback = ErrorCode::kInternal) {
  std::optional<Failure> failure;
  // Starting a thread may fail.
  std::optional<Failure> no_thread = Attempt([&] {
    std::thread([&] {
      UseAllThreads();
      failure = Attempt(std::forward<Work>(work), fallback);
    }).join();
  });
  return no_thread ? no_thread : failure;
}

}  // namespace clip_blip
