#pragma once

#include <c10/core/Device.h>
#include <c10/cuda/CUDAStream.h>

namespace clip_blip {

/// Makes cuBLAS' workspace of the calling thread and its current stream.
void MakeCublasWorkspace(c10::Device device);

/// Gives up the workspaces that cuBLAS has on a device; with a stream, its own only.
void ReleaseCublasWorkspaces(c10::Device device);
void ReleaseCublasWorkspaces(c10::cuda::CUDAStream stream);

}  // namespace clip_blip
