#include "model/mapped_archive.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace clip_blip {

MappedArchive::MappedArchive(const std::string& path) : file_(std::make_shared<MappedFile>(path)) {}

void MappedArchive::Skip(uint64_t offset, uint64_t size) { records_.emplace(offset, size); }

size_t MappedArchive::size() const { return static_cast<size_t>(file_->size()); }

size_t MappedArchive::read(uint64_t position, void* buffer, size_t count,
                           const char* /*what*/) const {
  if (position >= size()) return 0;
  size_t available = std::min(count, size() - static_cast<size_t>(position));
  if (available == count && records_.count({position, count}) != 0) {
    std::lock_guard lock(mutex_);
    unread_.push_back({static_cast<const char*>(buffer), position, count});
    return count;
  }
  std::memcpy(buffer, file_->data() + position, available);
  return available;
}

std::optional<at::Tensor> MappedArchive::InFile(const at::Tensor& tensor,
                                                std::set<const void*>& found) const {
  const auto* storage = static_cast<const char*>(tensor.storage().data());
  for (const Unread& unread : unread_) {
    if (unread.buffer != storage) continue;
    size_t begin = static_cast<size_t>(tensor.storage_offset()) * tensor.element_size();
    if (tensor.storage().nbytes() > unread.count) return std::nullopt;
    found.insert(storage);
    auto* bytes = const_cast<uint8_t*>(file_->data()) + unread.position + begin;
    return at::from_blob(
        bytes, tensor.sizes(), tensor.strides(), [file = file_](void*) {}, tensor.options());
  }
  return std::nullopt;
}

bool MappedArchive::Fill(const torch::jit::Module& module, c10::Device device,
                         std::optional<c10::ScalarType> dtype) const {
  std::set<const void*> found;
  // Tensors that two attributes share stay shared; the originals live until the end.
  std::unordered_map<const c10::TensorImpl*, std::pair<at::Tensor, at::Tensor>> filled;
  for (const torch::jit::Module& part : module.modules()) {
    auto object = part._ivalue();
    for (size_t slot = 0; slot < object->type()->numAttributes(); ++slot) {
      if (!object->getSlot(slot).isTensor()) continue;
      at::Tensor original = object->getSlot(slot).toTensor();
      if (!original.defined() || !original.has_storage()) continue;
      auto known = filled.find(original.unsafeGetTensorImpl());
      if (known == filled.end()) {
        auto view = InFile(original, found);
        if (!view) continue;
        bool cast = dtype && view->is_floating_point() && view->scalar_type() != *dtype;
        at::Tensor bytes = cast || device != view->device() ? *view : view->clone();
        known = filled.emplace(original.unsafeGetTensorImpl(), std::pair(original, bytes)).first;
      }
      object->setSlot(slot, known->second.second);
    }
  }
  return found.size() == unread_.size();
}

}  // namespace clip_blip
