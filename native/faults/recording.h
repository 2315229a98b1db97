#pragma once

#include <cstdint>

namespace clip_blip {

/// Records on the CPU what a device would: a "graph" runs the same work again. For tests of what
/// surrounds graphs.
void RecordOnCpu(bool on);

/// Graphs that were recorded, and how often one was started, since recording was switched on.
int64_t GraphsRecorded();
int64_t GraphsReplayed();

}  // namespace clip_blip
