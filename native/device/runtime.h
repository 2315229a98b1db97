#pragma once

namespace clip_blip {

/// Everything that is set once per process, whichever thread comes first: the counting allocator
/// and LibTorch's process-wide switches.
void InitializeProcess();

/// The number of threads that LibTorch chose for this machine (or that OMP_NUM_THREADS asks for).
int DefaultThreadCount();

/// Gives the calling thread that many threads. OpenMP keeps the number per thread, so a libuv
/// worker has to say it at the start of each call.
void UseAllThreads();

}  // namespace clip_blip
