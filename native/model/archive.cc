#include "model/archive.h"

#include <c10/core/InferenceMode.h>
#include <caffe2/serialize/inline_container.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <torch/csrc/jit/serialization/import.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "device/devices.h"
#include "device/failure.h"
#include "device/memory.h"
#include "device/own_thread.h"
#include "model/loaded_module.h"
#include "model/mapped_archive.h"

namespace clip_blip {
namespace {

[[noreturn]] void RefuseIo(const std::string& what, const std::string& path) {
  throw Failure(ErrorCode::kIo, what + " " + path + ": " + std::strerror(errno));
}

/// Brings a file's or a folder's changes to the disk.
void Sync(const std::string& path, int flags) {
  int file = open(path.c_str(), flags | O_CLOEXEC);
  if (file < 0) RefuseIo("Cannot open", path);
  int result = fsync(file);
  int problem = errno;
  close(file);
  // Some file systems have no fsync for folders.
  if (result != 0 && problem != EINVAL) {
    errno = problem;
    RefuseIo("Cannot write", path);
  }
}

std::string FolderOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

int64_t SizeOfFile(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) RefuseIo("Cannot read", path);
  if (!S_ISREG(status.st_mode)) {
    throw Failure(ErrorCode::kIo, "Cannot read " + path + ": it is not a file");
  }
  if (access(path.c_str(), R_OK) != 0) RefuseIo("Cannot read", path);
  return status.st_size;
}

/// Whatever goes wrong while an archive is read, other than a lack of memory or a device fault, is
/// the archive's doing.
Failure AboutArchive(const std::string& path, const Failure& failure) {
  if (failure.code() != ErrorCode::kModelInvalid) return failure;
  return Failure(ErrorCode::kModelInvalid,
                 path + " is not a TorchScript archive, or it is damaged: " + failure.message());
}

/// Opens an archive and holds the sizes it claims against its own, since each record's claim
/// becomes an allocation.
std::unique_ptr<caffe2::serialize::PyTorchStreamReader> OpenArchive(const std::string& path) {
  int64_t size = SizeOfFile(path);
  auto reader = std::make_unique<caffe2::serialize::PyTorchStreamReader>(path);
  // Deflate cannot do better than 1032:1.
  constexpr uint64_t kMaxRatio = 1032;
  for (const std::string& record : reader->getAllRecords()) {
    if (reader->getRecordSize(record) / kMaxRatio > static_cast<uint64_t>(size)) {
      throw Failure(ErrorCode::kModelInvalid, "\"" + record + "\" claims an impossible size");
    }
  }
  return reader;
}

/// Records that are shorter are read: a mapping would gain nothing.
constexpr size_t kLongRecord = 1 << 20;

/// Loads into the CPU's memory, of which nothing is read that will be cast or moved; nothing where
/// only LibTorch's own reading will do.
std::optional<torch::jit::Module> LoadMapped(const std::string& path, c10::Device device,
                                             std::optional<c10::ScalarType> dtype) {
  auto reader = OpenArchive(path);
  auto archive = std::make_shared<MappedArchive>(path);
  for (const std::string& record : reader->getAllRecords()) {
    size_t size = reader->getRecordSize(record);
    if (record.rfind("data/", 0) != 0 || size < kLongRecord) continue;
    archive->Skip(reader->getRecordOffset(record), size);
  }
  torch::jit::Module module = torch::jit::load(archive, c10::kCPU, /*load_debug_files=*/false);
  if (!archive->Fill(module, device, dtype)) return std::nullopt;
  return module;
}

torch::jit::Module Load(const std::string& path, c10::Device device,
                        std::optional<c10::ScalarType> dtype) {
  if (auto module = LoadMapped(path, device, dtype)) return *module;
  OpenArchive(path);
  return torch::jit::load(path, device, /*load_debug_files=*/false);
}

}  // namespace

void SaveModule(const LoadedModule& module, const std::string& path,
                const std::map<std::string, std::string>& extra_files) {
  if (module.prepared()) {
    throw Failure(ErrorCode::kInvalidArgument,
                  "A module that was prepared for running cannot be saved");
  }
  torch::jit::ExtraFilesMap extra(extra_files.begin(), extra_files.end());
  static std::atomic<unsigned> counter{0};
  std::string temporary =
      path + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(counter.fetch_add(1));
  std::optional<Failure> failure;
  {
    c10::InferenceMode inference;
    MemoryScope scope(c10::Device{c10::kCPU});
    failure = Attempt(
        [&] {
          // Found out here, because LibTorch's writer does not say why it cannot open a file.
          int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
          if (file < 0) RefuseIo("Cannot write", path);
          close(file);
          module.module().save(temporary, extra);
          Sync(temporary, O_WRONLY);
          if (rename(temporary.c_str(), path.c_str()) != 0) RefuseIo("Cannot write", path);
          Sync(FolderOf(path), O_RDONLY);
        },
        ErrorCode::kIo);
  }
  if (failure) {
    unlink(temporary.c_str());
    throw *failure;
  }
}

std::map<std::string, std::string> ReadExtraFiles(const std::string& path,
                                                  const std::vector<std::string>& names) {
  std::map<std::string, std::string> found;
  std::optional<Failure> failure = Attempt(
      [&] {
        auto reader = OpenArchive(path);
        for (const std::string& name : names) {
          std::string record = "extra/" + name;
          if (!reader->hasRecord(record)) continue;
          auto [data, size] = reader->getRecord(record);
          found[name] = std::string(static_cast<const char*>(data.get()), size);
        }
      },
      ErrorCode::kModelInvalid);
  if (failure) throw AboutArchive(path, *failure);
  return found;
}

std::shared_ptr<LoadedModule> LoadModule(const std::string& path, const Placement& placement) {
  c10::Device device = ParseDevice(placement.device);
  std::optional<c10::ScalarType> dtype;
  if (placement.dtype) dtype = ParseDtype(*placement.dtype);

  std::shared_ptr<LoadedModule> loaded;
  std::optional<Failure> failure = AttemptOnOwnThread(
      [&] {
        c10::InferenceMode inference;
        MemoryScope scope(device);
        loaded = std::make_shared<LoadedModule>(Load(path, device, dtype), device, dtype);
        if (placement.prepare) loaded->Prepare();
      },
      ErrorCode::kModelInvalid);
  // What a cast left behind: the stored weights, in the device's cache.
  if (!device.is_cpu()) Attempt([&] { EmptyCache(device); });
  if (failure) throw AboutArchive(path, *failure);
  return loaded;
}

}  // namespace clip_blip
