#pragma once

namespace clip_blip {

#ifdef CLIP_BLIP_X86_KERNELS
/// The best that this CPU can run of kernels compiled for x86-64-v4, v3 and the first level.
template <typename Kernels>
const Kernels& BestKernels(const Kernels& v4, const Kernels& v3, const Kernels& base) {
  bool has_v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("bmi2");
  bool has_v4 = has_v3 && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512cd");
  return has_v4 ? v4 : has_v3 ? v3 : base;
}
#endif

}  // namespace clip_blip
