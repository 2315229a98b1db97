#include "model/plan/attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "device/cpu_level.h"
#include "model/plan/attention_kernels.h"

namespace clip_blip {
namespace {

const AttentionKernels& Kernels() {
#ifdef CLIP_BLIP_X86_KERNELS
  static const AttentionKernels& best =
      BestKernels(kAttentionKernelsV4, kAttentionKernelsV3, kAttentionKernels);
  return best;
#else
  return kAttentionKernels;
#endif
}

/// Up to this many scores a head, matrix products cost more to set up than they save.
constexpr int64_t kFewScores = 1024;
/// So many queries are always few: they read the keys once, and a product would copy them first.
constexpr int64_t kFewQueries = 8;
/// Queries whose scores are held at a time: with 577 keys they stay within a second-level cache.
constexpr int64_t kBlock = 64;
constexpr int64_t kMaxHeadWidth = 256;

bool MultipliesBFloat16() {
#ifdef CLIP_BLIP_X86_KERNELS
  static const bool supported = __builtin_cpu_supports("avx512bf16");
  return supported;
#else
  return false;
#endif
}

/// bfloat16 as the kernels take it.
template <typename T>
using Bits = std::conditional_t<std::is_same_v<T, float>, float, uint16_t>;

template <typename T>
HeadRows<Bits<T>> Head(const at::Tensor& tensor, int64_t batch, int64_t head) {
  const T* data = tensor.const_data_ptr<T>() + batch * tensor.stride(0) + head * tensor.stride(1);
  return {reinterpret_cast<const Bits<T>*>(data), tensor.stride(2), tensor.size(2)};
}

void Few(HeadRows<float> query, HeadRows<float> key, HeadRows<float> value, int64_t width,
         float scale, bool causal, float* scores, float* out, int64_t out_stride) {
  Kernels().few_float(query, key, value, width, scale, causal, scores, out, out_stride);
}
void Few(HeadRows<uint16_t> query, HeadRows<uint16_t> key, HeadRows<uint16_t> value, int64_t width,
         float scale, bool causal, float* scores, uint16_t* out, int64_t out_stride) {
  Kernels().few_bfloat16(query, key, value, width, scale, causal, scores, out, out_stride);
}

/// Where one thread works, in floats: scores of a block, its output, packed keys and values.
struct Workspace {
  int64_t padded_keys, scores, output, packed;

  Workspace(int64_t keys, int64_t width)
      : padded_keys((keys + 15) / 16 * 16),
        scores(kBlock * padded_keys),
        output(kBlock * width),
        packed(padded_keys * width) {}

  int64_t floats() const { return scores + output + 2 * packed; }
};

/// Blocks of about equal size, so that the products are of two sizes at most.
int64_t BlockSize(int64_t queries) {
  int64_t blocks = (queries + kBlock - 1) / kBlock;
  return (queries + blocks - 1) / blocks;
}

void SoftmaxRows(float* scores, int64_t first, int64_t rows, int64_t keys, int64_t padded,
                 float scale, bool causal) {
  for (int64_t row = 0; row < rows; ++row) {
    int64_t seen = causal ? std::min(keys, first + row + 1) : keys;
    Kernels().softmax(scores + row * padded, seen, padded, scale);
  }
}

void Blocks(HeadRows<float> query, HeadRows<float> key, HeadRows<float> value, int64_t width,
            float scale, bool causal, const Workspace& space, float* memory, float* out,
            int64_t out_stride) {
  float* scores = memory;
  float* keys = scores + space.scores + space.output;
  Kernels().transpose_float(key, width, space.padded_keys, keys);
  int64_t block = BlockSize(query.count);
  for (int64_t first = 0; first < query.count; first += block) {
    int64_t rows = std::min(block, query.count - first);
    at::native::cpublas::brgemm(rows, space.padded_keys, width, query.stride, space.padded_keys,
                                space.padded_keys, false, query.data + first * query.stride, keys,
                                scores, false);
    SoftmaxRows(scores, first, rows, key.count, space.padded_keys, scale, causal);
    at::native::cpublas::brgemm(rows, width, key.count, space.padded_keys, value.stride, out_stride,
                                false, scores, value.data, out + first * out_stride, false);
  }
  at::native::cpublas::brgemm_release(false);
}

void Blocks(HeadRows<uint16_t> query, HeadRows<uint16_t> key, HeadRows<uint16_t> value,
            int64_t width, float scale, bool causal, const Workspace& space, float* memory,
            uint16_t* out, int64_t out_stride) {
  auto bits = [](auto* data) { return reinterpret_cast<const at::BFloat16*>(data); };
  float* scores = memory;
  float* output = scores + space.scores;
  auto* keys = reinterpret_cast<uint32_t*>(output + space.output);
  auto* values = keys + space.packed;
  // Rounded in place: a row's weights end before its scores do.
  auto* weights = reinterpret_cast<uint16_t*>(scores);
  Kernels().transpose_pairs(key, width, space.padded_keys, keys);
  Kernels().pair_rows(value, width, space.padded_keys, values);
  int64_t block = BlockSize(query.count);
  for (int64_t first = 0; first < query.count; first += block) {
    int64_t rows = std::min(block, query.count - first);
    at::native::cpublas::brgemm(rows, space.padded_keys, width, query.stride, space.padded_keys,
                                space.padded_keys, false, bits(query.data + first * query.stride),
                                bits(keys), scores, true);
    SoftmaxRows(scores, first, rows, key.count, space.padded_keys, scale, causal);
    for (int64_t row = 0; row < rows; ++row) {
      Kernels().round_to_bfloat16(scores + row * space.padded_keys, space.padded_keys,
                                  weights + row * 2 * space.padded_keys);
    }
    at::native::cpublas::brgemm(rows, width, space.padded_keys, 2 * space.padded_keys, width, width,
                                false, bits(weights), bits(values), output, true);
    for (int64_t row = 0; row < rows; ++row) {
      Kernels().round_to_bfloat16(output + row * width, width, out + (first + row) * out_stride);
    }
  }
  at::native::cpublas::brgemm_release(true);
}

template <typename T>
at::Tensor AttendHeads(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                       bool causal) {
  int64_t heads = query.size(1), queries = query.size(2), width = query.size(3);
  int64_t keys = key.size(2);
  at::Tensor out = at::empty({query.size(0), queries, heads, width}, query.options());
  bool few = queries <= kFewQueries || queries * keys <= kFewScores;
  Workspace space(keys, width);
  int64_t floats = few ? space.padded_keys : space.floats();
  // Here and not in the threads, whose allocations no limit counts.
  at::Tensor memory =
      at::empty({at::get_num_threads() * floats}, at::TensorOptions().dtype(at::kFloat));
  auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(width)));
  auto* rows = reinterpret_cast<Bits<T>*>(out.mutable_data_ptr<T>());
  float* all = memory.mutable_data_ptr<float>();
  at::parallel_for(0, query.size(0) * heads, 1, [&](int64_t begin, int64_t end) {
    float* own = all + at::get_thread_num() * floats;
    for (int64_t i = begin; i < end; ++i) {
      int64_t batch = i / heads, head = i % heads;
      auto q = Head<T>(query, batch, head);
      auto k = Head<T>(key, batch, head);
      auto v = Head<T>(value, batch, head);
      Bits<T>* to = rows + (batch * queries * heads + head) * width;
      if (few) {
        Few(q, k, v, width, scale, causal, own, to, heads * width);
      } else {
        Blocks(q, k, v, width, scale, causal, space, own, to, heads * width);
      }
    }
  });
  return out.transpose(1, 2);
}

bool RowsAreContiguous(const at::Tensor& tensor) { return tensor.stride(3) == 1; }

bool HasKernels(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  if (!query.is_cpu() || query.dim() != 4 || key.dim() != 4 || value.dim() != 4) return false;
  if (query.numel() == 0 || key.numel() == 0 || query.size(3) % 2 != 0 ||
      query.size(3) > kMaxHeadWidth || key.sizes() != value.sizes() ||
      key.size(0) != query.size(0) || key.size(1) != query.size(1) ||
      key.size(3) != query.size(3)) {
    return false;
  }
  return RowsAreContiguous(query) && RowsAreContiguous(key) && RowsAreContiguous(value);
}

/// Queries and keys up to which the memory-efficient kernel of an NVIDIA GPU is the faster one: its
/// tiles are of 64, where FlashAttention's are of 128 (on an H100, 41 us against 77 for 50 tokens
/// of 256 pictures, 11 against 19 for one query and 20 keys of 64 captions).
constexpr int64_t kSmallTile = 64;

bool FitsSmallTile(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  if (!query.is_cuda() || query.scalar_type() == at::kFloat || query.dim() != 4) return false;
  if (query.size(2) > kSmallTile || key.size(2) > kSmallTile) return false;
  // What the kernel loads at a time.
  constexpr int64_t kAligned = 8;
  auto is_aligned = [](const at::Tensor& tensor) {
    return tensor.stride(3) == 1 && tensor.size(3) % kAligned == 0 &&
           tensor.stride(0) % kAligned == 0 && tensor.stride(1) % kAligned == 0 &&
           tensor.stride(2) % kAligned == 0 && tensor.storage_offset() % kAligned == 0;
  };
  return is_aligned(query) && is_aligned(key) && is_aligned(value);
}

}  // namespace

at::Tensor Attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                  bool causal) {
  if (HasKernels(query, key, value)) {
    if (query.scalar_type() == at::kFloat) return AttendHeads<float>(query, key, value, causal);
    if (query.scalar_type() == at::kBFloat16 && MultipliesBFloat16()) {
      return AttendHeads<at::BFloat16>(query, key, value, causal);
    }
  }
  if (FitsSmallTile(query, key, value)) {
    return std::get<0>(at::_scaled_dot_product_efficient_attention(
        query, key, value, /*attn_bias=*/std::nullopt, /*compute_log_sumexp=*/false,
        /*dropout_p=*/0.0, causal));
  }
  return at::scaled_dot_product_attention(query, key, value, std::nullopt, 0.0, causal);
}

}  // namespace clip_blip
