#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/placement.h"

namespace clip_blip {

class LoadedModule;

// As in lib/native/types.ts, where each field is explained.

struct TensorSlice {
  std::string file;
  int64_t offset = 0;
  int64_t byte_length = 0;
  std::string dtype;
  std::vector<int64_t> shape;
  std::optional<std::vector<int64_t>> strides;
  int64_t storage_offset = 0;
};

struct ParameterSpec {
  std::string name;
  std::vector<std::vector<TensorSlice>> layers;
  bool stacked = false;
  bool transpose = false;
};

struct ModuleSpec {
  std::string source;
  std::vector<std::pair<std::string, int64_t>> ints;
  std::vector<std::pair<std::string, double>> floats;
  std::vector<std::pair<std::string, bool>> bools;
  std::vector<ParameterSpec> parameters;
};

/// Makes a TorchScript module out of its source, its constants and the tensors of a checkpoint.
/// Every number of the spec is checked again: MODEL_INVALID names the parameter.
std::shared_ptr<LoadedModule> BuildModule(const ModuleSpec& spec, const Placement& placement);

}  // namespace clip_blip
