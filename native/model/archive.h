#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/placement.h"

namespace clip_blip {

class LoadedModule;

/// Writes the archive beside its place and renames it there, so that it appears whole or not at
/// all.
void SaveModule(const LoadedModule& module, const std::string& path,
                const std::map<std::string, std::string>& extra_files);

/// The named extra files that the archive has. Reads nothing else of it.
std::map<std::string, std::string> ReadExtraFiles(const std::string& path,
                                                  const std::vector<std::string>& names);

/// Loads an archive. TorchScript's loader runs what the archive says: for trusted files only.
std::shared_ptr<LoadedModule> LoadModule(const std::string& path, const Placement& placement);

}  // namespace clip_blip
