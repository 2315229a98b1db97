#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace standin {

/// What a line of the log says beside its time, its thread and its kind.
struct Event {
  std::optional<int> device = {};
  /// The number of a stream; 0 is the default one.
  std::optional<int> stream = {};
  std::optional<size_t> bytes = {};
  std::string_view what = {};
};

/// Whether there is a log: what is written to it may be costly to make.
bool Logging();

/// Writes a line: microseconds, thread, kind, device, stream, bytes and what, with tabs between
/// them and "-" for what there is none of. README.md has the kinds.
void Log(std::string_view kind, const Event& event = {});

}  // namespace standin
