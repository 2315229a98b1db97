// The metadata of any file that calls itself an archive. Its code is not loaded: that is for trusted files only.
#include "model/archive.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "device/failure.h"
#include "scratch_file.h"

using namespace clip_blip;

/// LibTorch 2.13's reader keeps a few hundred bytes of each file that it refuses while it opens it: its constructor throws
/// before it has an owner for what miniz allocated.
extern "C" const char* __lsan_default_suppressions() { return "leak:mz_zip_reader_init"; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string path = fuzz::ScratchFile() + ".pt";
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    auto files = ReadExtraFiles(path, {"clip-blip.json", "tokenizer.json", "../escape"});
    for (const auto& [name, text] : files) {
      // Deflate cannot do better than 1032:1.
      if (name.empty() || text.size() > size * 1032) std::abort();
    }
  } catch (const Failure& failure) {
    if (failure.message().empty() || failure.code() != ErrorCode::kModelInvalid) std::abort();
  }
  unlink(path.c_str());
  return 0;
}
