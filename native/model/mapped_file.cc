#include "model/mapped_file.h"

#include <ATen/ops/from_file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "device/failure.h"

namespace clip_blip {

MappedFile::MappedFile(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) {
    throw Failure(ErrorCode::kIo, "Cannot read " + path + ": " + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    throw Failure(ErrorCode::kIo, "Cannot read " + path + ": it is not a file");
  }
  size_ = status.st_size;
  if (size_ == 0) return;
  try {
    bytes_ = at::from_file(path, /*shared=*/false, size_, at::TensorOptions().dtype(at::kByte));
  } catch (...) {
    throw CurrentFailure(ErrorCode::kIo);
  }
}

const uint8_t* MappedFile::data() const {
  return bytes_.defined() ? bytes_.const_data_ptr<uint8_t>() : nullptr;
}

void MappedFile::Release(int64_t offset, int64_t length) const {
  if (length <= 0) return;
  static const int64_t page = sysconf(_SC_PAGESIZE);
  // Outward to whole pages. The mapping is private and never written to, so nothing can get lost,
  // and a neighbour's bytes are read again from the page cache.
  int64_t begin = offset / page * page;
  int64_t end = std::min(offset + length, size_);
  auto* address = const_cast<uint8_t*>(data()) + begin;
  madvise(address, static_cast<size_t>(end - begin), MADV_DONTNEED);
}

const MappedFile& MappedFiles::Open(const std::string& path) {
  auto found = files_.find(path);
  if (found == files_.end()) found = files_.emplace(path, MappedFile(path)).first;
  return found->second;
}

}  // namespace clip_blip
