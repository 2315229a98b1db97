#include "image/preprocess.h"

#include <limits>
#include <utility>

#include "bindings/convert.h"
#include "bindings/operations.h"
#include "bindings/promise_worker.h"

namespace clip_blip {
namespace {

constexpr int64_t kMaxSide = std::numeric_limits<int32_t>::max();

Resample ToResample(const Napi::Value& value) {
  std::string name = ToString(value, "plan.resample");
  if (name == "nearest") return Resample::kNearest;
  if (name == "box") return Resample::kBox;
  if (name == "bilinear") return Resample::kBilinear;
  if (name == "hamming") return Resample::kHamming;
  if (name == "bicubic") return Resample::kBicubic;
  if (name == "lanczos") return Resample::kLanczos;
  RefuseValue("plan.resample", "nearest, box, bilinear, hamming, bicubic or lanczos");
}

PictureSize ToSize(const Napi::Object& object, const std::string& name) {
  PictureSize size;
  size.height = ToInt(object.Get("height"), name + ".height", 1, kMaxSide);
  size.width = ToInt(object.Get("width"), name + ".width", 1, kMaxSide);
  return size;
}

PictureSize ToSize(const Napi::Value& width, const Napi::Value& height) {
  PictureSize size;
  size.width = ToInt(width, "width", 1, kMaxSide);
  size.height = ToInt(height, "height", 1, kMaxSide);
  if (size.width > std::numeric_limits<int64_t>::max() / 3 / size.height) {
    RefuseValue("width", "smaller");
  }
  return size;
}

ResizePlan ToPlan(const Napi::Value& value) {
  Napi::Object object = ToObject(value, "plan");
  ResizePlan plan;
  plan.resample = ToResample(object.Get("resample"));
  Napi::Value resize_value = object.Get("resize");
  if (!IsAbsent(resize_value)) {
    Napi::Object resize = ToObject(resize_value, "plan.resize");
    Napi::Value edge = resize.Get("shortestEdge");
    if (IsAbsent(edge)) {
      plan.exact = ToSize(resize, "plan.resize");
    } else {
      plan.shortest_edge = ToInt(edge, "plan.resize.shortestEdge", 1, kMaxSide);
      Napi::Value longest = resize.Get("longestEdge");
      if (!IsAbsent(longest)) {
        plan.longest_edge = ToInt(longest, "plan.resize.longestEdge", 1, kMaxSide);
      }
    }
  }
  Napi::Value crop = object.Get("crop");
  if (!IsAbsent(crop)) plan.crop = ToSize(ToObject(crop, "plan.crop"), "plan.crop");
  return plan;
}

Napi::Value ToValue(Napi::Env env, const Picture& picture) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("pixels", CopyToArray<Napi::Uint8Array>(env, picture.pixels));
  result.Set("height", static_cast<double>(picture.height));
  result.Set("width", static_cast<double>(picture.width));
  return result;
}

}  // namespace

Napi::Value PreprocessAsync(const Napi::CallbackInfo& info) {
  PictureSize size = ToSize(info[1], info[2]);
  Span held{0, size.width};
  if (!IsAbsent(info[4])) {
    Napi::Object columns = ToObject(info[4], "columns");
    held.begin = ToInt(columns.Get("begin"), "columns.begin", 0, size.width - 1);
    held.length = ToInt(columns.Get("length"), "columns.length", 1, size.width - held.begin);
  }
  ByteArrays arrays;
  const uint8_t* rgb = arrays.Hold(info[0], held.length * size.height * 3, "rgb");
  auto work = [arrays = std::move(arrays), rgb, size, held, plan = ToPlan(info[3])] {
    return Preprocess(rgb, size, held, plan);
  };
  return RunInPool(info.Env(), std::move(work), ToValue);
}

Napi::Value NeededColumnsOf(const Napi::CallbackInfo& info) {
  Span needed = NeededColumns(ToSize(info[0], info[1]), ToPlan(info[2]));
  Napi::Object columns = Napi::Object::New(info.Env());
  columns.Set("begin", static_cast<double>(needed.begin));
  columns.Set("length", static_cast<double>(needed.length));
  return columns;
}

}  // namespace clip_blip
