// The tensors of a checkpoint that lies about them: offsets, lengths, shapes and strides of any size over a small file.
#include "model/module_builder.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "device/failure.h"
#include "model/loaded_module.h"
#include "device/runtime.h"
#include "bytes.h"
#include "scratch_file.h"

using namespace clip_blip;

namespace {

/// 4 KiB of bytes that go with the process.
const std::string& File() {
  static const auto& path = *new std::string([] {
    std::string made = fuzz::ScratchFile();
    std::ofstream(made, std::ios::binary) << std::string(4096, 'x');
    std::atexit([] { unlink(fuzz::ScratchFile().c_str()); });
    return made;
  }());
  return path;
}

TensorSlice Slice(fuzz::Bytes& bytes) {
  static const char* const kTypes[] = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8"};
  TensorSlice slice;
  slice.file = File();
  slice.dtype = kTypes[bytes.UpTo(10)];
  slice.offset = bytes.Number();
  slice.byte_length = bytes.UpTo(3) ? 4096 - slice.offset : bytes.Number();
  for (uint64_t i = bytes.UpTo(3); i > 0; --i) slice.shape.push_back(bytes.Number());
  if (bytes.UpTo(1)) {
    slice.strides.emplace();
    for (size_t i = 0; i < slice.shape.size() + (bytes.UpTo(20) == 0); ++i) slice.strides->push_back(bytes.Number());
  }
  if (bytes.UpTo(1)) slice.storage_offset = bytes.Number();
  return slice;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  InitializeProcess();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Bytes bytes(data, size);
  ModuleSpec spec;
  spec.source = "def encode_text(self, input_ids: Tensor) -> Tensor:\n    return self.w\n";
  ParameterSpec parameter{"w", {}, bytes.UpTo(1) == 1, bytes.UpTo(3) == 0};
  for (uint64_t layer = bytes.UpTo(2); layer > 0; --layer) {
    parameter.layers.emplace_back();
    for (uint64_t piece = bytes.UpTo(2); piece > 0; --piece) parameter.layers.back().push_back(Slice(bytes));
  }
  spec.parameters.push_back(parameter);
  Placement placement{"cpu", bytes.UpTo(1) ? std::optional<std::string>("float32") : std::nullopt, false};
  try {
    BuildModule(spec, placement);
  } catch (const Failure& failure) {
    if (failure.message().empty()) std::abort();
    if (failure.code() != ErrorCode::kModelInvalid && failure.code() != ErrorCode::kOutOfMemory) std::abort();
  }
  return 0;
}
