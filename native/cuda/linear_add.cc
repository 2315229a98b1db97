#include "cuda/linear_add.h"

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>

namespace clip_blip {
namespace {

/// Bytes that every row begins at a multiple of; the tensors of a model do.
constexpr uint32_t kAlignment = 16;
/// Sizes whose kernels are remembered at most.
constexpr size_t kMaxProducts = 4096;

void Check(cublasStatus_t status, const char* what) {
  TORCH_CHECK(status == CUBLAS_STATUS_SUCCESS, what, " of cuBLASLt failed with status ", status);
}

template <typename Pointer, cublasStatus_t (*destroy)(Pointer)>
struct Destroy {
  void operator()(Pointer made) const { destroy(made); }
};
using Description = std::unique_ptr<cublasLtMatmulDescOpaque_t,
                                    Destroy<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>>;
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t,
                               Destroy<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>>;
using Preference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t,
                    Destroy<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>>;

Layout MakeLayout(cudaDataType_t type, int64_t rows, int64_t columns, int64_t leading) {
  cublasLtMatrixLayout_t layout = nullptr;
  Check(cublasLtMatrixLayoutCreate(&layout, type, static_cast<uint64_t>(rows),
                                   static_cast<uint64_t>(columns), leading),
        "A matrix layout");
  return Layout(layout);
}

/// Sizes and strides of a product, as rows: [rows, inner] by [columns, inner] to [rows, columns].
struct Sizes {
  cudaDataType_t type;
  int64_t rows, columns, inner, input_stride, other_stride;
  bool has_bias;
  int device;

  auto key() const {
    return std::make_tuple(type, rows, columns, inner, input_stride, other_stride, has_bias,
                           device);
  }
  bool operator<(const Sizes& with) const { return key() < with.key(); }
};

/// A product of these sizes, and the kernel that cuBLASLt takes for it. To ask for that takes
/// longer than to start it.
class Product {
 public:
  // cuBLASLt counts by columns: to it, all is transposed.
  explicit Product(const Sizes& sizes)
      : weight_(MakeLayout(sizes.type, sizes.inner, sizes.columns, sizes.inner)),
        input_(MakeLayout(sizes.type, sizes.inner, sizes.rows, sizes.input_stride)),
        other_(MakeLayout(sizes.type, sizes.columns, sizes.rows, sizes.other_stride)),
        output_(MakeLayout(sizes.type, sizes.columns, sizes.rows, sizes.columns)) {
    cublasLtMatmulDesc_t description = nullptr;
    Check(cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F), "A description");
    description_.reset(description);
    Set(CUBLASLT_MATMUL_DESC_TRANSA, int32_t{CUBLAS_OP_T});
    if (sizes.has_bias) Set(CUBLASLT_MATMUL_DESC_EPILOGUE, int32_t{CUBLASLT_EPILOGUE_BIAS});
    Choose();
  }

  /// Whether cuBLASLt has a kernel for it.
  bool possible() const { return possible_; }

  void Run(const at::Tensor& input, const at::Tensor& other, const at::Tensor& weight,
           const std::optional<at::Tensor>& bias, const at::Tensor& output) {
    if (bias) Set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias->const_data_ptr());
    const float one = 1;
    Check(cublasLtMatmul(at::cuda::getCurrentCUDABlasLtHandle(), description_.get(), &one,
                         weight.const_data_ptr(), weight_.get(), input.const_data_ptr(),
                         input_.get(), &one, other.const_data_ptr(), other_.get(),
                         output.mutable_data_ptr(), output_.get(), &algorithm_,
                         at::cuda::getCUDABlasLtWorkspace(), at::cuda::getCUDABlasLtWorkspaceSize(),
                         c10::cuda::getCurrentCUDAStream().stream()),
          "A product");
  }

 private:
  template <typename Value>
  void Set(cublasLtMatmulDescAttributes_t attribute, Value value) {
    Check(cublasLtMatmulDescSetAttribute(description_.get(), attribute, &value, sizeof value),
          "An attribute");
  }

  void Choose() {
    cublasLtMatmulPreference_t made = nullptr;
    Check(cublasLtMatmulPreferenceCreate(&made), "A preference");
    Preference preference(made);
    auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      Check(cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof value),
            "A preference");
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{at::cuda::getCUDABlasLtWorkspaceSize()});
    for (auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      set(attribute, kAlignment);
    }
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        at::cuda::getCurrentCUDABlasLtHandle(), description_.get(), weight_.get(), input_.get(),
        other_.get(), output_.get(), made, 1, &result, &found);
    possible_ = status == CUBLAS_STATUS_SUCCESS && found > 0;
    algorithm_ = result.algo;
  }

  Description description_;
  Layout weight_, input_, other_, output_;
  cublasLtMatmulAlgo_t algorithm_{};
  bool possible_ = false;
};

bool IsAligned(const at::Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % kAlignment == 0;
}

/// The numbers between the beginnings of two rows, where all rows lie equally far apart.
std::optional<int64_t> RowStride(const at::Tensor& tensor) {
  int64_t dimensions = tensor.dim();
  if (dimensions < 2 || tensor.stride(-1) != 1) return std::nullopt;
  int64_t stride = tensor.stride(-2);
  for (int64_t i = dimensions - 3; i >= 0; --i) {
    if (tensor.size(i) != 1 && tensor.stride(i) != tensor.stride(i + 1) * tensor.size(i + 1)) {
      return std::nullopt;
    }
  }
  int64_t bytes = stride * static_cast<int64_t>(tensor.element_size());
  if (stride < tensor.size(-1) || bytes % kAlignment != 0) return std::nullopt;
  return stride;
}

std::optional<Sizes> SizesOf(const at::Tensor& input, const at::Tensor& other,
                             const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  at::ScalarType type = input.scalar_type();
  // float32 is left to LibTorch, with its settings for TF32.
  if (type != at::kHalf && type != at::kBFloat16) return std::nullopt;
  if (other.scalar_type() != type || weight.scalar_type() != type) return std::nullopt;
  std::optional<int64_t> input_stride = RowStride(input), other_stride = RowStride(other);
  if (!input_stride || !other_stride || !weight.is_contiguous()) return std::nullopt;
  if (!IsAligned(input) || !IsAligned(other) || !IsAligned(weight)) return std::nullopt;
  if (weight.size(1) % 8 != 0 || weight.size(0) % 8 != 0) return std::nullopt;
  if (bias && (bias->scalar_type() != type || !bias->is_contiguous() || !IsAligned(*bias))) {
    return std::nullopt;
  }
  return Sizes{type == at::kHalf ? CUDA_R_16F : CUDA_R_16BF,
               input.numel() / weight.size(1),
               weight.size(0),
               weight.size(1),
               *input_stride,
               *other_stride,
               bias.has_value(),
               input.device().index()};
}

}  // namespace

std::optional<at::Tensor> CublasLinearAdd(const at::Tensor& input, const at::Tensor& other,
                                          const at::Tensor& weight,
                                          const std::optional<at::Tensor>& bias) {
  if (input.numel() == 0) return std::nullopt;
  std::optional<Sizes> sizes = SizesOf(input, other, weight, bias);
  if (!sizes) return std::nullopt;
  c10::cuda::CUDAGuard guard(input.device());
  // Leaked: threads may still run while statics go.
  static auto* mutex = new std::mutex();
  static auto* products = new std::map<Sizes, Product>();
  std::lock_guard lock(*mutex);
  auto product = products->find(*sizes);
  if (product == products->end()) {
    if (products->size() >= kMaxProducts) products->clear();
    product = products->emplace(*sizes, *sizes).first;
  }
  if (!product->second.possible()) return std::nullopt;
  at::Tensor output = at::empty(other.sizes(), input.options());
  product->second.Run(input, other, weight, bias, output);
  return output;
}

}  // namespace clip_blip
