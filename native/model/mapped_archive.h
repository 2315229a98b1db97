#pragma once

#include <c10/core/ScalarType.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/mapped_file.h"

namespace clip_blip {

/// An archive's bytes for LibTorch's loader, which reads each tensor into memory of its own.
/// Records named with Skip() are not really read: Fill() puts their bytes in afterwards, and those
/// that are cast are never copied as they are. Half of the time that a float32 archive took to
/// become a bfloat16 module went into such a copy and its fresh pages.
class MappedArchive final : public caffe2::serialize::ReadAdapterInterface {
 public:
  /// Throws IO where the file cannot be read.
  explicit MappedArchive(const std::string& path);

  /// A record of `size` bytes at `offset`, which is some tensor's.
  void Skip(uint64_t offset, uint64_t size);

  size_t size() const override;
  size_t read(uint64_t position, void* buffer, size_t count, const char* what) const override;

  /// Gives the tensors of a module, as it was loaded, the bytes that were not read: to those that
  /// a placement casts or moves as a view of the file, to the others as a copy. false: something
  /// that was not read is no attribute of the module, and the module is of no use.
  bool Fill(const torch::jit::Module& module, c10::Device device,
            std::optional<c10::ScalarType> dtype) const;

 private:
  /// Where the loader wanted bytes of the file, and which.
  struct Unread {
    const char* buffer;
    uint64_t position;
    size_t count;
  };

  /// The tensor as a view of the file; nothing where it was read.
  std::optional<at::Tensor> InFile(const at::Tensor& tensor, std::set<const void*>& found) const;

  /// Shared with the tensors that are views of it.
  std::shared_ptr<const MappedFile> file_;
  std::set<std::pair<uint64_t, uint64_t>> records_;
  mutable std::mutex mutex_;
  mutable std::vector<Unread> unread_;
};

}  // namespace clip_blip
