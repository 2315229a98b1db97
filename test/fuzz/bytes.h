#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace clip_blip::fuzz {

/// Reads values off the bytes that a fuzzer makes up; zeros when they are used up.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  template <typename Number>
  Number Take() {
    Number number{};
    size_t part = size_ < sizeof(number) ? size_ : sizeof(number);
    std::memcpy(&number, data_, part);
    data_ += part;
    size_ -= part;
    return number;
  }

  /// From 0 up to `most`.
  uint64_t UpTo(uint64_t most) { return Take<uint32_t>() % (most + 1); }

  /// Mostly small, sometimes anything: both reach code that the other does not.
  int64_t Number() {
    uint8_t kind = Take<uint8_t>();
    if (kind < 200) return kind % 40;
    if (kind < 230) return Take<int16_t>();
    return Take<int64_t>();
  }

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  const uint8_t* data_;
  size_t size_;
};

}  // namespace clip_blip::fuzz
