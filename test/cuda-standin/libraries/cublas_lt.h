// cuBLASLt's descriptions of a product, by the numbers of NVIDIA's documentation
// (https://docs.nvidia.com/cuda/cublas/#using-the-cublaslt-api).
#pragma once

#include <library_types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace standin {

/// cublasStatus_t.
enum Status : int {
  kSuccess = 0,
  kInvalidValue = 7,
  kExecutionFailed = 13,
  kNotSupported = 15,
};

/// What a program has set of a description, by the number of the attribute.
class Attributes {
 public:
  void Set(int attribute, const void* value, size_t bytes);

  template <typename Value>
  Value Get(int attribute, Value otherwise) const {
    auto found = values_.find(attribute);
    if (found == values_.end() || found->second.size() < sizeof(Value)) return otherwise;
    Value value;
    __builtin_memcpy(&value, found->second.data(), sizeof value);
    return value;
  }

 private:
  std::map<int, std::vector<char>> values_;
};

/// cublasLtMatrixLayout_t. Matrices lie column by column.
struct MatrixLayout {
  cudaDataType_t type;
  uint64_t rows, columns;
  int64_t leading_dimension;
  int32_t order = 0;
  int32_t batch = 1;
  int64_t batch_stride = 0;
};

/// cublasLtMatmulDesc_t.
struct Description {
  int compute_type;
  cudaDataType_t scale_type;
  Attributes attributes;
};

constexpr int kPointerMode = 2, kTransposeA = 3, kTransposeB = 4, kEpilogue = 7, kBiasPointer = 8,
              kBiasType = 26;
constexpr int kComputeTf32 = 77;
constexpr int32_t kNoTranspose = 0;
constexpr int32_t kHostPointers = 0;

/// Of cublasLtEpilogue_t: bits.
constexpr uint32_t kRelu = 2, kBias = 4, kGelu = 32;

/// D = epilogue(alpha * op(A) * op(B) + beta * C + bias)
struct Product {
  const Description* description;
  const void* alpha;
  const void* a;
  const MatrixLayout* a_layout;
  const void* b;
  const MatrixLayout* b_layout;
  const void* beta;
  const void* c;
  const MatrixLayout* c_layout;
  void* d;
  const MatrixLayout* d_layout;
};

/// What cuBLASLt says of these sizes.
Status Check(const Product& product);

/// kNotSupported where this stand-in does not know its types.
Status Compute(const Product& product);

}  // namespace standin
