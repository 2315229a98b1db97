#include "model/loaded_module.h"

#include <ATen/ATen.h>

#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "device/failure.h"
#include "device/test_seam.h"

namespace clip_blip {
namespace {

/// The methods that calls run, by the names that the recipes give them.
const std::set<std::string> kEntryPoints{"encode_image", "encode_text",    "project",
                                         "decode",       "decode_masked",  "read_beside",
                                         "match",        "embed_pictures", "embed_texts"};

// Places every tensor attribute. Tensors that two attributes share (tied weights) stay shared.
void PlaceTensors(const torch::jit::Module& root, c10::Device device,
                  std::optional<c10::ScalarType> dtype) {
  std::unordered_map<const c10::TensorImpl*, at::Tensor> placed;
  // Keeps the originals' addresses from being reused while they are keys; only shared ones matter,
  // so those that nobody else holds are let go at once.
  for (const torch::jit::Module& module : root.modules()) {
    auto object = module._ivalue();
    const auto& type = object->type();
    for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
      if (!object->getSlot(slot).isTensor()) continue;
      at::Tensor original = object->getSlot(slot).toTensor();
      if (!original.defined()) continue;
      auto seen = placed.find(original.unsafeGetTensorImpl());
      if (seen != placed.end()) {
        object->setSlot(slot, seen->second);
        continue;
      }
      bool cast = dtype && original.is_floating_point() && original.scalar_type() != *dtype;
      if (!cast && original.device() == device) continue;
      at::Tensor result = original;
      // Cast before the move: a smaller upload, and no second copy on the device.
      if (cast) result = result.to(*dtype);
      if (result.device() != device) result = result.to(device);
      const c10::TensorImpl* key = original.unsafeGetTensorImpl();
      bool shared = original.use_count() > 2;  // this variable and the slot
      object->setSlot(slot, result);
      if (shared) placed.emplace(key, std::move(result));
    }
  }
}

}  // namespace

std::atomic<int64_t> LoadedModule::live_{0};

c10::ScalarType ParseDtype(const std::string& name) {
  if (name == "float32") return c10::kFloat;
  if (name == "bfloat16") return c10::kBFloat16;
  if (name == "float16") return c10::kHalf;
  throw Failure(ErrorCode::kInvalidArgument,
                "\"" + name + "\" is no dtype: use float32, bfloat16 or float16");
}

LoadedModule::LoadedModule(torch::jit::Module module, c10::Device device,
                           std::optional<c10::ScalarType> dtype)
    : module_(std::move(module)), device_(device), graphs_(std::make_unique<GraphCache>(device)) {
  PlaceTensors(module_, device, dtype);
  for (const torch::jit::Module& child : module_.modules()) {
    auto slot = child.type()->findAttributeSlot("training");
    if (slot) child._ivalue()->setSlot(*slot, false);
  }

  std::unordered_set<const void*> counted;
  bool dtype_known = false;
  auto count = [&](const at::Tensor& tensor) {
    if (!dtype_known && tensor.is_floating_point()) {
      dtype_ = tensor.scalar_type();
      dtype_known = true;
    }
    if (counted.insert(tensor.storage().unsafeGetStorageImpl()).second) {
      bytes_ += static_cast<int64_t>(tensor.storage().nbytes());
    }
  };
  for (const at::Tensor& tensor : module_.parameters()) count(tensor);
  for (const at::Tensor& tensor : module_.buffers()) count(tensor);
  if (!device.is_cpu()) {
    blocks_ = std::make_unique<CallBlocks>(device);
    normalization_ = std::make_unique<Normalization>(device);
  }
  ++live_;
}

LoadedModule::~LoadedModule() { LeaveCount(); }

void LoadedModule::LeaveCount() {
  if (counted_.exchange(false)) --live_;
}

void LoadedModule::Prepare() {
  std::map<std::string, ExecutionPlan> plans;
  PackedWeights packed;
  for (const torch::jit::Method& method : module_.get_methods()) {
    // Others are part of these, and plans of their own would only hold the weights a second time.
    if (kEntryPoints.count(method.name()) == 0) continue;
    auto plan = ExecutionPlan::Make(module_, method, packed,
                                    normalization_ ? normalization_->numbers() : at::Tensor());
    // A method without one runs as it is, on the module's own tensors.
    if (!plan) return;
    plans.emplace(method.name(), std::move(*plan));
  }
  if (plans.empty()) return;
  plans_ = std::move(plans);
  auto encode_image = plans_.find("encode_image");
  takes_bytes_ = encode_image != plans_.end() && encode_image->second.takes_bytes();
  graphs_->Enable();
  if (BackendOf(device_) != nullptr && !device_.is_cpu()) {
    pixel_stage_ = std::make_unique<PixelStage>(device_);
  }
  for (const torch::jit::Module& module : module_.modules()) {
    auto object = module._ivalue();
    for (size_t slot = 0; slot < object->type()->numAttributes(); ++slot) {
      if (object->getSlot(slot).isTensor()) object->setSlot(slot, at::Tensor());
    }
  }
}

c10::IValue LoadedModule::Run(const char* method, std::vector<c10::IValue> inputs) const {
  auto found = module_.find_method(method);
  if (!found) {
    throw Failure(ErrorCode::kModelInvalid,
                  std::string("The model has no method \"") + method + "\"");
  }
  BeforeDeviceRun();
  auto plan = plans_.find(method);
  if (plan != plans_.end()) return plan->second.Run(std::move(inputs));
  return (*found)(std::move(inputs));
}

at::Tensor AsTensor(const char* method, const c10::IValue& output) {
  if (!output.isTensor()) {
    throw Failure(ErrorCode::kModelInvalid,
                  std::string("The model's ") + method + "() did not return a tensor");
  }
  return output.toTensor();
}

std::optional<int64_t> LoadedModule::FindInt(const char* name) const {
  if (!module_.hasattr(name)) return std::nullopt;
  c10::IValue value = module_.attr(name);
  if (!value.isInt()) return std::nullopt;
  return value.toInt();
}

int64_t LoadedModule::Int(const char* name) const {
  std::optional<int64_t> value = FindInt(name);
  if (!value) {
    throw Failure(ErrorCode::kModelInvalid,
                  std::string("The model has no integer \"") + name + "\"");
  }
  return *value;
}

}  // namespace clip_blip
