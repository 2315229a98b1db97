#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>
#include <torch/csrc/jit/api/module.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/call_block.h"
#include "device/graph_cache.h"
#include "image/normalization.h"
#include "image/pixel_stage.h"
#include "model/plan/execution_plan.h"

namespace clip_blip {

/// "float32", "bfloat16" or "float16"; throws INVALID_ARGUMENT for anything else.
c10::ScalarType ParseDtype(const std::string& name);

/// A TorchScript module on its device, ready to run. The handle and running calls share it; the
/// weights are freed with the last of them.
class LoadedModule {
 public:
  /// Moves what is not there yet to `device`, casts floating tensors to `dtype`, one at a time, and
  /// puts the module into eval mode. The module must not be shared with anybody else.
  LoadedModule(torch::jit::Module module, c10::Device device, std::optional<c10::ScalarType> dtype);
  ~LoadedModule();
  LoadedModule(const LoadedModule&) = delete;
  LoadedModule& operator=(const LoadedModule&) = delete;

  c10::Device device() const { return device_; }
  /// Dtype of the floating-point parameters, to which inputs are cast.
  c10::ScalarType dtype() const { return dtype_; }
  int64_t bytes() const { return bytes_; }
  const torch::jit::Module& module() const { return module_; }

  /// Makes the module ready to run, and for nothing else: every method gets a plan, with weights
  /// laid out for the device, and the module's own tensors are freed. Takes as much memory again
  /// meanwhile.
  void Prepare();
  bool prepared() const { return !plans_.empty(); }

  /// Runs a method; MODEL_INVALID if the module has none of that name.
  c10::IValue Run(const char* method, std::vector<c10::IValue> inputs) const;

  /// Normalises pictures on an accelerator; null on the CPU.
  Normalization* normalization() const { return normalization_.get(); }
  /// Whether encode_image takes bytes, and normalises them itself.
  bool takes_bytes() const { return takes_bytes_; }

  /// The recorded graphs of this module; none if it is not prepared.
  GraphCache& graphs() const { return *graphs_; }

  /// Where large batches of pictures are uploaded ahead of their calls; null on the CPU, and if the
  /// module is not prepared.
  PixelStage* pixel_stage() const { return pixel_stage_.get(); }

  /// The memory that its calls take from an accelerator; null on the CPU.
  CallBlocks* blocks() const { return blocks_.get(); }

  /// An int attribute; MODEL_INVALID if the module has none of that name.
  int64_t Int(const char* name) const;
  std::optional<int64_t> FindInt(const char* name) const;

  /// Modules that are alive in this process.
  static int64_t LiveCount() { return live_.load(); }
  /// Takes the module out of that count before its destructor, when its last owner gives it up.
  void LeaveCount();

 private:
  torch::jit::Module module_;
  c10::Device device_;
  c10::ScalarType dtype_ = c10::kFloat;
  int64_t bytes_ = 0;
  std::unique_ptr<Normalization> normalization_;
  bool takes_bytes_ = false;
  std::map<std::string, ExecutionPlan> plans_;
  // After the weights, which the graphs work on.
  std::unique_ptr<GraphCache> graphs_;
  std::unique_ptr<PixelStage> pixel_stage_;
  std::unique_ptr<CallBlocks> blocks_;
  std::atomic<bool> counted_{true};

  static std::atomic<int64_t> live_;
};

/// The output of `method` as a tensor; MODEL_INVALID if it is none.
at::Tensor AsTensor(const char* method, const c10::IValue& output);

}  // namespace clip_blip
