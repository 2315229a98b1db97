#include "bindings/convert.h"

#include <cmath>
#include <limits>

namespace clip_blip {

void RefuseValue(const std::string& name, const std::string& expected) {
  throw Failure(ErrorCode::kInvalidArgument, name + " must be " + expected);
}

Napi::Object ToObject(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) RefuseValue(name, "an object");
  return value.As<Napi::Object>();
}

Napi::Array ToArray(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) RefuseValue(name, "an array");
  return value.As<Napi::Array>();
}

std::string ToString(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) RefuseValue(name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

bool ToBool(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) RefuseValue(name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

double ToDouble(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber()) RefuseValue(name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t ToInt(const Napi::Value& value, const std::string& name) {
  constexpr double kMaxSafeInteger = 9007199254740991.0;
  double number = ToDouble(value, name);
  if (std::trunc(number) != number || std::fabs(number) > kMaxSafeInteger) {
    RefuseValue(name, "a whole number");
  }
  return static_cast<int64_t>(number);
}

int64_t ToInt(const Napi::Value& value, const std::string& name, int64_t least, int64_t most) {
  int64_t number = ToInt(value, name);
  if (number < least || number > most) {
    RefuseValue(name, "from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

bool IsAbsent(const Napi::Value& value) { return value.IsUndefined() || value.IsNull(); }

std::vector<int32_t> CopyInt32Array(const Napi::Value& value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    RefuseValue(name, "an Int32Array");
  }
  auto array = value.As<Napi::Int32Array>();
  const int32_t* data = array.Data();
  return std::vector<int32_t>(data, data + array.ElementLength());
}

Placement ToPlacement(const Napi::Value& value) {
  Napi::Object object = ToObject(value, "placement");
  Placement placement;
  placement.device = ToString(object.Get("device"), "placement.device");
  Napi::Value dtype = object.Get("dtype");
  if (!IsAbsent(dtype)) placement.dtype = ToString(dtype, "placement.dtype");
  Napi::Value prepare = object.Get("prepare");
  if (!IsAbsent(prepare)) placement.prepare = ToBool(prepare, "placement.prepare");
  return placement;
}

CacheRelease ToCacheRelease(const Napi::Value& value, const std::string& name) {
  std::string word = ToString(value, name);
  if (word == "after-call") return CacheRelease::kAfterCall;
  if (word == "when-idle") return CacheRelease::kWhenIdle;
  if (word == "on-out-of-memory") return CacheRelease::kOnOutOfMemory;
  RefuseValue(name, "after-call, when-idle or on-out-of-memory");
}

RunOptions ToRunOptions(const Napi::Value& value) {
  Napi::Object object = ToObject(value, "options");
  RunOptions options;
  options.release_cache = ToCacheRelease(object.Get("releaseCache"), "options.releaseCache");
  Napi::Value record = object.Get("record");
  if (!record.IsUndefined()) options.record = record.ToBoolean();
  Napi::Value limit = object.Get("memoryLimit");
  if (IsAbsent(limit)) return options;
  double bytes = ToDouble(limit, "options.memoryLimit");
  if (!(bytes >= 0)) RefuseValue("options.memoryLimit", "zero or more");
  // Infinity and what is beyond an int64 are no limit.
  if (bytes < 9e18) options.memory_limit = static_cast<int64_t>(bytes);
  return options;
}

const uint8_t* ByteArrays::Hold(const Napi::Value& value, int64_t length, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    RefuseValue(name, "a Uint8Array");
  }
  auto array = value.As<Napi::Uint8Array>();
  if (static_cast<int64_t>(array.ByteLength()) != length) {
    RefuseValue(name, "of " + std::to_string(length) + " bytes, and it has " +
                          std::to_string(array.ByteLength()));
  }
  references_.push_back(Napi::Persistent(value.As<Napi::Object>()));
  return array.Data();
}

PixelBatch ToPixelBatch(const Napi::Value& value, ByteArrays& arrays) {
  constexpr int64_t kMaxSide = 1 << 15;
  Napi::Object object = ToObject(value, "batch");
  PixelBatch batch;
  batch.height = ToInt(object.Get("height"), "batch.height", 1, kMaxSide);
  batch.width = ToInt(object.Get("width"), "batch.width", 1, kMaxSide);

  Napi::Object normalize = ToObject(object.Get("normalize"), "batch.normalize");
  batch.normalize.scale = ToDouble(normalize.Get("scale"), "batch.normalize.scale");
  Napi::Array mean = ToArray(normalize.Get("mean"), "batch.normalize.mean");
  Napi::Array std = ToArray(normalize.Get("std"), "batch.normalize.std");
  for (uint32_t i = 0; i < 3; ++i) {
    batch.normalize.mean[i] = ToDouble(mean.Get(i), "batch.normalize.mean");
    batch.normalize.std[i] = ToDouble(std.Get(i), "batch.normalize.std");
  }

  Napi::Array pixels = ToArray(object.Get("pixels"), "batch.pixels");
  if (pixels.Length() == 0) RefuseValue("batch.pixels", "at least one picture");
  for (uint32_t i = 0; i < pixels.Length(); ++i) {
    batch.pixels.push_back(arrays.Hold(pixels.Get(i), batch.height * batch.width * 3,
                                       "batch.pixels[" + std::to_string(i) + "]"));
  }
  return batch;
}

}  // namespace clip_blip
