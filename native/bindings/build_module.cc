#include <utility>

#include "bindings/convert.h"
#include "bindings/module_handle.h"
#include "bindings/operations.h"
#include "bindings/promise_worker.h"
#include "model/module_builder.h"

namespace clip_blip {
namespace {

std::vector<int64_t> ToSizes(const Napi::Value& value, const std::string& name) {
  Napi::Array array = ToArray(value, name);
  std::vector<int64_t> sizes;
  for (uint32_t i = 0; i < array.Length(); ++i) sizes.push_back(ToInt(array.Get(i), name));
  return sizes;
}

TensorSlice ToSlice(const Napi::Value& value, const std::string& name) {
  Napi::Object object = ToObject(value, name);
  TensorSlice slice;
  slice.file = ToString(object.Get("file"), name + ".file");
  slice.offset = ToInt(object.Get("offset"), name + ".offset");
  slice.byte_length = ToInt(object.Get("byteLength"), name + ".byteLength");
  slice.dtype = ToString(object.Get("dtype"), name + ".dtype");
  slice.shape = ToSizes(object.Get("shape"), name + ".shape");
  Napi::Value strides = object.Get("strides");
  if (!IsAbsent(strides)) slice.strides = ToSizes(strides, name + ".strides");
  Napi::Value storage_offset = object.Get("storageOffset");
  if (!IsAbsent(storage_offset)) {
    slice.storage_offset = ToInt(storage_offset, name + ".storageOffset");
  }
  return slice;
}

ParameterSpec ToParameter(const Napi::Value& value) {
  Napi::Object object = ToObject(value, "parameter");
  ParameterSpec parameter;
  parameter.name = ToString(object.Get("name"), "parameter.name");
  parameter.stacked = ToBool(object.Get("stacked"), parameter.name + ".stacked");
  Napi::Value transpose = object.Get("transpose");
  if (!IsAbsent(transpose)) parameter.transpose = ToBool(transpose, parameter.name + ".transpose");
  Napi::Array layers = ToArray(object.Get("layers"), parameter.name + ".layers");
  for (uint32_t i = 0; i < layers.Length(); ++i) {
    Napi::Array pieces = ToArray(layers.Get(i), parameter.name + ".layers");
    std::vector<TensorSlice> layer;
    for (uint32_t j = 0; j < pieces.Length(); ++j) {
      layer.push_back(ToSlice(pieces.Get(j), parameter.name));
    }
    parameter.layers.push_back(std::move(layer));
  }
  return parameter;
}

template <typename Value, typename Convert>
std::vector<std::pair<std::string, Value>> ToEntries(const Napi::Value& value,
                                                     const std::string& name, Convert convert) {
  Napi::Object object = ToObject(value, name);
  Napi::Array names = object.GetPropertyNames();
  std::vector<std::pair<std::string, Value>> entries;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    std::string key = ToString(names.Get(i), name);
    entries.emplace_back(key, convert(object.Get(key), name + "." + key));
  }
  return entries;
}

ModuleSpec ToSpec(const Napi::Value& value) {
  Napi::Object object = ToObject(value, "spec");
  ModuleSpec spec;
  spec.source = ToString(object.Get("source"), "spec.source");
  spec.ints = ToEntries<int64_t>(
      object.Get("ints"), "spec.ints",
      [](const Napi::Value& entry, const std::string& name) { return ToInt(entry, name); });
  spec.floats = ToEntries<double>(object.Get("floats"), "spec.floats", ToDouble);
  spec.bools = ToEntries<bool>(object.Get("bools"), "spec.bools", ToBool);
  Napi::Array parameters = ToArray(object.Get("parameters"), "spec.parameters");
  for (uint32_t i = 0; i < parameters.Length(); ++i) {
    spec.parameters.push_back(ToParameter(parameters.Get(i)));
  }
  return spec;
}

}  // namespace

Napi::Value BuildModuleAsync(const Napi::CallbackInfo& info) {
  auto work = [spec = ToSpec(info[0]), placement = ToPlacement(info[1])] {
    return BuildModule(spec, placement);
  };
  return RunInPool(info.Env(), std::move(work), WrapModule);
}

}  // namespace clip_blip
