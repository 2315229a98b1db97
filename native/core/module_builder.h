#pragma once

#include <memory>

#include "types.h"

namespace clip_blip {

class LoadedModule;

/// Makes a TorchScript module out of its source, its constants and the tensors of a checkpoint.
/// Every number of the spec is checked again: MODEL_INVALID names the parameter.
std::shared_ptr<LoadedModule> BuildModule(const ModuleSpec& spec, const Placement& placement);

}  // namespace clip_blip
