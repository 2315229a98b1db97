#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "device/failure.h"
#include "device/run_options.h"
#include "image/pixel_batch.h"
#include "model/placement.h"
#include "napi_setup.h"

namespace clip_blip {

// JavaScript values as plain data. TypeScript has validated what people pass; here is checked what
// would be unsafe to trust. Each throws INVALID_ARGUMENT with the name of the value.

[[noreturn]] void RefuseValue(const std::string& name, const std::string& expected);

Napi::Object ToObject(const Napi::Value& value, const std::string& name);
Napi::Array ToArray(const Napi::Value& value, const std::string& name);
std::string ToString(const Napi::Value& value, const std::string& name);
bool ToBool(const Napi::Value& value, const std::string& name);
double ToDouble(const Napi::Value& value, const std::string& name);
/// A whole number that a double holds exactly.
int64_t ToInt(const Napi::Value& value, const std::string& name);
int64_t ToInt(const Napi::Value& value, const std::string& name, int64_t least, int64_t most);
/// Absent: undefined or null.
bool IsAbsent(const Napi::Value& value);

std::vector<int32_t> CopyInt32Array(const Napi::Value& value, const std::string& name);

Placement ToPlacement(const Napi::Value& value);
CacheRelease ToCacheRelease(const Napi::Value& value, const std::string& name);
RunOptions ToRunOptions(const Napi::Value& value);

/// Byte arrays that a worker reads in place. The references keep them alive; that nobody detaches
/// them is promised by the caller, who never shows them to anyone.
class ByteArrays {
 public:
  /// Of exactly `length` bytes.
  const uint8_t* Hold(const Napi::Value& value, int64_t length, const std::string& name);

 private:
  std::vector<Napi::ObjectReference> references_;
};

/// A typed array of its own with the same values.
template <typename Array, typename Value>
Array CopyToArray(Napi::Env env, const std::vector<Value>& values) {
  Array array = Array::New(env, values.size());
  // Not memcpy: it must not be given null, which is what an empty array and an empty vector have.
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

PixelBatch ToPixelBatch(const Napi::Value& value, ByteArrays& arrays);

}  // namespace clip_blip
