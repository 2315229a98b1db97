// Resize and crop of any picture to any size: no byte outside of it is read, and all of the result is written.
#include "image/preprocess.h"

#include <cstdlib>
#include <vector>

#include "device/failure.h"
#include "bytes.h"

using namespace clip_blip;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Bytes bytes(data, size);
  // Small enough for thousands of runs a second; one side may be long.
  bool tall = bytes.Take<uint8_t>() & 1;
  auto longer = static_cast<int64_t>(1 + bytes.UpTo(3000));
  auto shorter = static_cast<int64_t>(1 + bytes.UpTo(40));
  PictureSize picture = tall ? PictureSize{longer, shorter} : PictureSize{shorter, longer};
  ResizePlan plan;
  plan.resample = static_cast<Resample>(bytes.UpTo(3));
  auto side = [&] { return static_cast<int64_t>(1 + bytes.UpTo(80)); };
  switch (bytes.UpTo(2)) {
    case 0:
      plan.shortest_edge = bytes.UpTo(9) == 0 ? bytes.Number() : side();
      break;
    case 1:
      plan.exact = PictureSize{side(), side()};
      break;
  }
  if (bytes.UpTo(1)) plan.crop = PictureSize{side(), side()};
  // The binding lets nothing below 1 through.
  if (plan.shortest_edge && (*plan.shortest_edge < 1 || *plan.shortest_edge > INT32_MAX)) return 0;
  // Without a crop the whole picture is made: a long one would only take memory.
  if (plan.shortest_edge && !plan.crop && *plan.shortest_edge > 80) return 0;

  // What is needed, and sometimes more.
  Span held{0, picture.width};
  try {
    if (bytes.UpTo(1)) held = NeededColumns(picture, plan);
  } catch (const Failure&) {
    return 0;
  }

  // Exactly as long as it says, so that AddressSanitizer sees a read behind it.
  std::vector<uint8_t> rgb(static_cast<size_t>(picture.height * held.length * 3));
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = bytes.size() ? bytes.data()[i % bytes.size()] : 0x5a;
  try {
    PictureSize resized = ResizedSize(picture, plan);
    Picture result = Preprocess(rgb.data(), picture, held, plan);
    PictureSize expected = plan.crop.value_or(resized);
    if (result.height != expected.height || result.width != expected.width) std::abort();
    if (result.pixels.size() != static_cast<size_t>(expected.height * expected.width * 3)) std::abort();
  } catch (const Failure& failure) {
    if (failure.code() != ErrorCode::kInvalidArgument || failure.message().empty()) std::abort();
  }
  return 0;
}
