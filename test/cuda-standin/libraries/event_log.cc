#include "event_log.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace standin {
namespace {

int Open() {
  const char* prefix = getenv("CUDA_STANDIN_LOG");
  if (prefix == nullptr) return -1;
  std::string path = std::string(prefix) + "." + std::to_string(getpid());
  int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) perror("CUDA stand-in: the log cannot be opened");
  return file;
}

int File() {
  static const int file = Open();
  return file;
}

template <typename Number>
std::string Text(const std::optional<Number>& number) {
  return number ? std::to_string(*number) : "-";
}

}  // namespace

bool Logging() { return File() >= 0; }

void Log(std::string_view kind, const Event& event) {
  if (!Logging()) return;
  thread_local const long thread = syscall(SYS_gettid);
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  std::string line =
      std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  for (const std::string& field :
       {std::to_string(thread), std::string(kind), Text(event.device), Text(event.stream),
        Text(event.bytes), std::string(event.what.empty() ? "-" : event.what)}) {
    line += '\t' + field;
  }
  line += '\n';
  // One call a line: lines of several threads do not mix, and none is lost with the process.
  if (write(File(), line.data(), line.size()) < 0) perror("CUDA stand-in: the log");
}

}  // namespace standin
