#pragma once

#include <ATen/core/Tensor.h>

namespace clip_blip {

/// softmax(query keyᵀ / √d) value, as LibTorch's scaled_dot_product_attention without a mask:
/// query [B, heads, Q, d], key and value [B, heads, K, d] -> [B, heads, Q, d], whose memory is
/// [B, Q, heads, d]. `causal`: query i sees keys 0 to i.
///
/// On the CPU, float32 and bfloat16 have kernels of their own, with scores and sums in float32:
/// LibTorch's multiplies bfloat16 without the CPU's instructions for it, and float32 by MKL, which
/// is slow on AMD (bfloat16, 577 tokens: 3 times slower; one query, 577 keys: 10 times).
at::Tensor Attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                  bool causal);

}  // namespace clip_blip
