// cuBLASLt: descriptions of products, and whether they fit together. cublas_lt_compute.cc computes.

#include "cublas_lt.h"

#include <algorithm>
#include <string>

#include "control.h"
#include "runtime.h"

namespace standin {
namespace {

bool Fits(const MatrixLayout& layout) {
  uint64_t least = layout.order == 0 ? layout.rows : layout.columns;
  return layout.rows > 0 && layout.columns > 0 && layout.batch > 0 &&
         layout.leading_dimension >= static_cast<int64_t>(least);
}

bool SameShape(const MatrixLayout& one, const MatrixLayout& other) {
  return one.rows == other.rows && one.columns == other.columns && one.batch == other.batch;
}

}  // namespace

void Attributes::Set(int attribute, const void* value, size_t bytes) {
  auto* begin = static_cast<const char*>(value);
  values_[attribute].assign(begin, begin + bytes);
}

Status Check(const Product& product) {
  const auto [description, alpha, a_data, a, b_data, b, beta, c_data, c, d_data, d] = product;
  if (!description || !a || !b || !c || !d) return kInvalidValue;
  if (!Fits(*a) || !Fits(*b) || !Fits(*c) || !Fits(*d)) return kInvalidValue;
  bool a_as_is = description->attributes.Get(kTransposeA, kNoTranspose) == kNoTranspose;
  bool b_as_is = description->attributes.Get(kTransposeB, kNoTranspose) == kNoTranspose;
  uint64_t rows = a_as_is ? a->rows : a->columns, inner = a_as_is ? a->columns : a->rows;
  uint64_t b_inner = b_as_is ? b->rows : b->columns, columns = b_as_is ? b->columns : b->rows;
  bool fit = inner == b_inner && d->rows == rows && d->columns == columns && SameShape(*c, *d) &&
             a->batch == d->batch && b->batch == d->batch;
  return fit ? kSuccess : kInvalidValue;
}

}  // namespace standin

using namespace standin;

namespace {

/// cublasLtMatmulPreference_t: whatever it asks for is there.
struct Preference {
  Attributes attributes;
};

/// cublasLtMatmulHeuristicResult_t.
struct HeuristicResult {
  uint64_t algorithm[8];
  size_t workspace_bytes;
  int status;
  float waves;
  int reserved[4];
};

}  // namespace

extern "C" {

size_t cublasLtGetVersion() { return 130100; }

int cublasLtCreate(void** handle) {
  static char one;
  *handle = &one;
  return kSuccess;
}

int cublasLtDestroy(void*) { return kSuccess; }

int cublasLtMatmulDescCreate(Description** made, int compute_type, cudaDataType_t scale_type) {
  *made = new Description{compute_type, scale_type, {}};
  return kSuccess;
}

int cublasLtMatmulDescDestroy(Description* description) {
  delete description;
  return kSuccess;
}

int cublasLtMatmulDescSetAttribute(Description* description, int attribute, const void* value,
                                   size_t bytes) {
  if (!description || !value || bytes == 0) return kInvalidValue;
  description->attributes.Set(attribute, value, bytes);
  return kSuccess;
}

int cublasLtMatrixLayoutCreate(MatrixLayout** made, cudaDataType_t type, uint64_t rows,
                               uint64_t columns, int64_t leading_dimension) {
  *made = new MatrixLayout{type, rows, columns, leading_dimension};
  return kSuccess;
}

int cublasLtMatrixLayoutDestroy(MatrixLayout* layout) {
  delete layout;
  return kSuccess;
}

int cublasLtMatrixLayoutSetAttribute(MatrixLayout* layout, int attribute, const void* value,
                                     size_t bytes) {
  if (!layout || !value) return kInvalidValue;
  auto take = [&](auto& field) {
    if (bytes != sizeof field) return kInvalidValue;
    __builtin_memcpy(&field, value, bytes);
    return kSuccess;
  };
  switch (attribute) {
    case 0:
      return take(layout->type);
    case 1:
      return take(layout->order);
    case 2:
      return take(layout->rows);
    case 3:
      return take(layout->columns);
    case 4:
      return take(layout->leading_dimension);
    case 5:
      return take(layout->batch);
    case 6:
      return take(layout->batch_stride);
    default:
      return kInvalidValue;
  }
}

int cublasLtMatmulPreferenceCreate(Preference** made) {
  *made = new Preference();
  return kSuccess;
}

int cublasLtMatmulPreferenceDestroy(Preference* preference) {
  delete preference;
  return kSuccess;
}

int cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute, const void* value,
                                         size_t bytes) {
  if (!preference || !value || bytes == 0) return kInvalidValue;
  preference->attributes.Set(attribute, value, bytes);
  return kSuccess;
}

int cublasLtMatmulAlgoGetHeuristic(void*, Description* description, MatrixLayout* a,
                                   MatrixLayout* b, MatrixLayout* c, MatrixLayout* d,
                                   Preference* preference, int wanted, HeuristicResult* results,
                                   int* found) {
  if (!preference || !results || !found || wanted < 1) return kInvalidValue;
  *found = 0;
  Product product{description, nullptr, nullptr, a, nullptr, b, nullptr, nullptr, c, nullptr, d};
  if (Status status = Check(product); status != kSuccess) return status;
  results[0] = {};
  *found = 1;
  return kSuccess;
}

int cublasLtMatmul(void* handle, Description* description, const void* alpha, const void* a,
                   MatrixLayout* a_layout, const void* b, MatrixLayout* b_layout, const void* beta,
                   const void* c, MatrixLayout* c_layout, void* d, MatrixLayout* d_layout,
                   const void*, void*, size_t, cudaStream_t stream) {
  Add(Slot::product_calls);
  Product product{description, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout};
  if (!handle || !alpha || !beta || !a || !b || !c || !d) return kInvalidValue;
  if (Status status = Check(product); status != kSuccess) return status;
  if (description->compute_type == kComputeTf32) Add(Slot::tf32_products);
  std::string name = "cublasLtMatmul " + std::to_string(d_layout->rows) + " x " +
                     std::to_string(d_layout->columns);
  bool captures = IsCapturing(stream);
  if (Launch(name, stream) != cudaSuccess) return kExecutionFailed;
  if (captures || Read(Slot::compute) == 0) return kSuccess;
  Status status = Compute(product);
  if (status == kSuccess) Add(Slot::computed_products);
  return status;
}

}  // extern "C"
