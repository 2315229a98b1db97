#include "model/module_builder.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "device/devices.h"
#include "device/failure.h"
#include "device/memory.h"
#include "device/own_thread.h"
#include "model/loaded_module.h"
#include "model/mapped_file.h"

namespace clip_blip {
namespace {

constexpr size_t kMaxDimensions = 16;

[[noreturn]] void Refuse(const std::string& parameter, const std::string& problem) {
  throw Failure(ErrorCode::kModelInvalid, "Parameter \"" + parameter + "\": " + problem);
}

c10::ScalarType StoredType(const std::string& parameter, const std::string& dtype) {
  static const auto& types = *new std::map<std::string_view, c10::ScalarType>{
      {"F64", c10::kDouble}, {"F32", c10::kFloat}, {"F16", c10::kHalf},  {"BF16", c10::kBFloat16},
      {"I64", c10::kLong},   {"I32", c10::kInt},   {"I16", c10::kShort}, {"I8", c10::kChar},
      {"U8", c10::kByte},    {"BOOL", c10::kBool}};
  auto found = types.find(dtype);
  if (found == types.end()) Refuse(parameter, "\"" + dtype + "\" is no element type");
  return found->second;
}

/// The element after the last one that the shape reaches, in elements from the storage's start.
int64_t ElementsReached(const std::string& parameter, const TensorSlice& slice,
                        const std::vector<int64_t>& strides) {
  int64_t last = slice.storage_offset;
  for (size_t i = 0; i < slice.shape.size(); ++i) {
    if (slice.shape[i] == 0) return 0;
    int64_t step = 0;
    if (__builtin_mul_overflow(slice.shape[i] - 1, strides[i], &step) ||
        __builtin_add_overflow(last, step, &last)) {
      Refuse(parameter, "its shape and strides overflow");
    }
  }
  int64_t end = 0;
  if (__builtin_add_overflow(last, int64_t{1}, &end)) Refuse(parameter, "its offset overflows");
  return end;
}

/// Elements that a piece may make of fewer in its file: views that repeat some are allowed, and
/// without a bound a few bytes could be repeated until memory is full.
constexpr int64_t kMaxRepeated = 1 << 24;

std::vector<int64_t> StridesOf(const std::string& parameter, const TensorSlice& slice) {
  size_t dimensions = slice.shape.size();
  if (dimensions > kMaxDimensions) Refuse(parameter, "it has too many dimensions");
  int64_t elements = 1;
  for (int64_t size : slice.shape) {
    if (size < 0) Refuse(parameter, "its shape has a negative size");
    if (__builtin_mul_overflow(elements, std::max<int64_t>(size, 1), &elements)) {
      Refuse(parameter, "its shape overflows");
    }
  }
  if (slice.strides) {
    if (slice.strides->size() != dimensions) {
      Refuse(parameter, "it has " + std::to_string(slice.strides->size()) + " strides for " +
                            std::to_string(dimensions) + " dimensions");
    }
    for (int64_t stride : *slice.strides) {
      if (stride < 0) Refuse(parameter, "it has a negative stride");
    }
    if (elements > std::max(kMaxRepeated, slice.byte_length)) {
      Refuse(parameter, "its strides repeat " + std::to_string(slice.byte_length) + " bytes to " +
                            std::to_string(elements) + " elements");
    }
    return *slice.strides;
  }
  std::vector<int64_t> strides(dimensions);
  int64_t step = 1;
  for (size_t i = dimensions; i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(slice.shape[i], 1);  // checked above
  }
  return strides;
}

/// A piece as a tensor over the mapped bytes (over a copy where they are not aligned), after all of
/// its numbers were held against the file.
at::Tensor View(const std::string& parameter, const TensorSlice& slice, const MappedFile& file) {
  c10::ScalarType type = StoredType(parameter, slice.dtype);
  int64_t item = static_cast<int64_t>(c10::elementSize(type));
  int64_t end = 0;
  if (slice.offset < 0 || slice.byte_length < 0 || slice.storage_offset < 0 ||
      __builtin_add_overflow(slice.offset, slice.byte_length, &end)) {
    Refuse(parameter, "its offset or length is impossible");
  }
  if (end > file.size()) {
    Refuse(parameter, "bytes " + std::to_string(slice.offset) + " to " + std::to_string(end) +
                          " lie past the end of " + slice.file + " (" +
                          std::to_string(file.size()) + " bytes)");
  }
  std::vector<int64_t> strides = StridesOf(parameter, slice);
  int64_t elements = ElementsReached(parameter, slice, strides);
  int64_t needed = 0;
  if (__builtin_mul_overflow(elements, item, &needed) || needed > slice.byte_length) {
    Refuse(parameter, "its shape needs " + std::to_string(elements) + " elements of " +
                          slice.dtype + ", and it has " + std::to_string(slice.byte_length) +
                          " bytes");
  }
  auto options = at::TensorOptions().dtype(type);
  if (elements == 0) return at::empty(slice.shape, options);
  auto* bytes = const_cast<uint8_t*>(file.data() + slice.offset);
  at::Tensor storage;
  if (reinterpret_cast<uintptr_t>(bytes) % static_cast<uintptr_t>(item) == 0) {
    storage = at::from_blob(bytes, {elements}, options);
  } else {
    storage = at::empty({elements}, options);
    std::memcpy(storage.mutable_data_ptr(), bytes, static_cast<size_t>(needed));
  }
  return storage.as_strided(slice.shape, strides, slice.storage_offset);
}

/// The shape of a piece as the parameter sees it.
std::vector<int64_t> PieceShape(const ParameterSpec& spec, const TensorSlice& slice) {
  std::vector<int64_t> shape = slice.shape;
  if (spec.transpose) {
    if (shape.size() != 2) Refuse(spec.name, "only a piece of two dimensions can be transposed");
    std::swap(shape[0], shape[1]);
  }
  return shape;
}

std::vector<int64_t> LayerShape(const ParameterSpec& spec, const std::vector<TensorSlice>& pieces) {
  if (pieces.empty()) Refuse(spec.name, "it has a layer without pieces");
  std::vector<int64_t> shape = PieceShape(spec, pieces[0]);
  for (size_t i = 1; i < pieces.size(); ++i) {
    std::vector<int64_t> next = PieceShape(spec, pieces[i]);
    if (shape.empty() || next.size() != shape.size() ||
        !std::equal(next.begin() + 1, next.end(), shape.begin() + 1)) {
      Refuse(spec.name, "its pieces do not fit together");
    }
    if (__builtin_add_overflow(shape[0], next[0], &shape[0])) {
      Refuse(spec.name, "its shape overflows");
    }
  }
  return shape;
}

/// The type that holds every piece; `dtype` instead for floating ones.
c10::ScalarType ParameterType(const ParameterSpec& spec, std::optional<c10::ScalarType> dtype) {
  std::optional<c10::ScalarType> common;
  for (const auto& layer : spec.layers) {
    for (const TensorSlice& slice : layer) {
      c10::ScalarType type = StoredType(spec.name, slice.dtype);
      common = common ? c10::promoteTypes(*common, type) : type;
    }
  }
  if (dtype && c10::isFloatingType(*common)) return *dtype;
  return *common;
}

at::Tensor BuildParameter(const ParameterSpec& spec, MappedFiles& files, c10::Device device,
                          std::optional<c10::ScalarType> dtype) {
  if (spec.layers.empty()) Refuse(spec.name, "it has no layers");
  if (!spec.stacked && spec.layers.size() != 1) {
    Refuse(spec.name, "it is not stacked and has several layers");
  }
  // Before the memory is taken: a hostile shape must not become a huge allocation.
  for (const auto& layer : spec.layers) {
    for (const TensorSlice& slice : layer) View(spec.name, slice, files.Open(slice.file));
  }
  std::vector<int64_t> layer_shape = LayerShape(spec, spec.layers[0]);
  for (size_t i = 1; i < spec.layers.size(); ++i) {
    if (LayerShape(spec, spec.layers[i]) != layer_shape) {
      Refuse(spec.name, "its layers differ in shape");
    }
  }
  std::vector<int64_t> shape = layer_shape;
  if (spec.stacked) shape.insert(shape.begin(), static_cast<int64_t>(spec.layers.size()));

  at::Tensor whole = at::empty(shape, at::TensorOptions().dtype(ParameterType(spec, dtype)));
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    at::Tensor layer = spec.stacked ? whole.select(0, static_cast<int64_t>(i)) : whole;
    int64_t row = 0;
    for (const TensorSlice& slice : spec.layers[i]) {
      const MappedFile& file = files.Open(slice.file);
      at::Tensor piece = View(spec.name, slice, file);
      if (spec.transpose) piece = piece.t();
      at::Tensor target = layer;
      if (layer.dim() > 0) {
        target = layer.narrow(0, row, piece.size(0));
        row += piece.size(0);
      }
      target.copy_(piece);
      file.Release(slice.offset, slice.byte_length);
    }
  }
  return device.is_cpu() ? whole : whole.to(device);
}

/// Attribute names become names of TorchScript and of the archive.
void ClaimName(std::set<std::string>& names, const std::string& name) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  bool valid = !name.empty() && letter(name[0]);
  for (char c : name) valid = valid && (letter(c) || (c >= '0' && c <= '9'));
  if (!valid) throw Failure(ErrorCode::kModelInvalid, "\"" + name + "\" cannot be a name");
  if (!names.insert(name).second) {
    throw Failure(ErrorCode::kModelInvalid, "The name \"" + name + "\" is given twice");
  }
}

torch::jit::Module Assemble(const ModuleSpec& spec, c10::Device device,
                            std::optional<c10::ScalarType> dtype) {
  torch::jit::Module module(c10::QualifiedName("__torch__.clip_blip.Model"));
  std::set<std::string> names{"training"};
  module.register_attribute("training", c10::BoolType::get(), false);
  for (const auto& [name, value] : spec.ints) {
    ClaimName(names, name);
    module.register_attribute(name, c10::IntType::get(), value);
  }
  for (const auto& [name, value] : spec.floats) {
    ClaimName(names, name);
    module.register_attribute(name, c10::FloatType::get(), value);
  }
  for (const auto& [name, value] : spec.bools) {
    ClaimName(names, name);
    module.register_attribute(name, c10::BoolType::get(), value);
  }
  {
    MappedFiles files;
    for (const ParameterSpec& parameter : spec.parameters) {
      ClaimName(names, parameter.name);
      module.register_parameter(parameter.name, BuildParameter(parameter, files, device, dtype),
                                /*is_buffer=*/false);
    }
  }
  try {
    module.define(spec.source);
  } catch (...) {
    // A source that does not compile belongs to the model, not to this machine.
    throw CurrentFailure(ErrorCode::kModelInvalid);
  }
  return module;
}

}  // namespace

std::shared_ptr<LoadedModule> BuildModule(const ModuleSpec& spec, const Placement& placement) {
  c10::Device device = ParseDevice(placement.device);
  std::optional<c10::ScalarType> dtype;
  if (placement.dtype) dtype = ParseDtype(*placement.dtype);

  std::shared_ptr<LoadedModule> built;
  std::optional<Failure> failure = AttemptOnOwnThread([&] {
    c10::InferenceMode inference;
    MemoryScope scope(device);
    built = std::make_shared<LoadedModule>(Assemble(spec, device, dtype), device, std::nullopt);
    if (placement.prepare) built->Prepare();
  });
  if (failure) throw *failure;
  return built;
}

}  // namespace clip_blip
