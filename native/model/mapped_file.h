#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

namespace clip_blip {

/// A file mapped into memory, read-only by agreement.
class MappedFile {
 public:
  /// Throws IO where the file cannot be read.
  explicit MappedFile(const std::string& path);

  const uint8_t* data() const;
  int64_t size() const { return size_; }

  /// Takes the pages of a range out of memory again; reading them later brings them back.
  void Release(int64_t offset, int64_t length) const;

 private:
  at::Tensor bytes_;
  int64_t size_ = 0;
};

/// The files of one checkpoint, each mapped once.
class MappedFiles {
 public:
  const MappedFile& Open(const std::string& path);

 private:
  std::map<std::string, MappedFile> files_;
};

}  // namespace clip_blip
