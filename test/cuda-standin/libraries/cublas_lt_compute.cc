// A product of cuBLASLt, computed: in float32, a number at a time.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "cublas_lt.h"

namespace standin {
namespace {

float FromBfloat16(uint16_t bits) {
  uint32_t wide = uint32_t{bits} << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

/// To the nearest, to the even one of two.
uint16_t ToBfloat16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (std::isnan(value)) return 0x7fc0;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

bool IsKnown(cudaDataType_t type) {
  return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF;
}

float Load(const void* data, cudaDataType_t type, int64_t index) {
  switch (type) {
    case CUDA_R_16F:
      return static_cast<float>(static_cast<const _Float16*>(data)[index]);
    case CUDA_R_16BF:
      return FromBfloat16(static_cast<const uint16_t*>(data)[index]);
    default:
      return static_cast<const float*>(data)[index];
  }
}

void Store(void* data, cudaDataType_t type, int64_t index, float value) {
  switch (type) {
    case CUDA_R_16F:
      static_cast<_Float16*>(data)[index] = static_cast<_Float16>(value);
      break;
    case CUDA_R_16BF:
      static_cast<uint16_t*>(data)[index] = ToBfloat16(value);
      break;
    default:
      static_cast<float*>(data)[index] = value;
  }
}

int64_t At(const MatrixLayout& layout, int64_t batch, int64_t row, int64_t column) {
  return batch * layout.batch_stride + column * layout.leading_dimension + row;
}

/// The approximation with tanh, as cuBLASLt's.
float Gelu(float x) {
  constexpr float kRootOf2ByPi = 0.7978845608f;
  return 0.5f * x * (1 + std::tanh(kRootOf2ByPi * (x + 0.044715f * x * x * x)));
}

struct Epilogue {
  uint32_t kind;
  const void* bias;
  cudaDataType_t bias_type;

  float operator()(float value, int64_t row) const {
    if (kind & kBias) value += Load(bias, bias_type, row);
    if (kind & kRelu) value = std::max(value, 0.0f);
    return kind & kGelu ? Gelu(value) : value;
  }
};

Epilogue EpilogueOf(const Product& product) {
  const Attributes& set = product.description->attributes;
  // 1 is "none", and no bit of the others.
  auto type = static_cast<cudaDataType_t>(set.Get(kBiasType, int32_t{-1}));
  return {set.Get(kEpilogue, uint32_t{1}), set.Get<const void*>(kBiasPointer, nullptr),
          static_cast<int>(type) == -1 ? product.d_layout->type : type};
}

bool IsSupported(const Product& product, const Epilogue& epilogue) {
  for (const MatrixLayout* layout :
       {product.a_layout, product.b_layout, product.c_layout, product.d_layout}) {
    if (!IsKnown(layout->type) || layout->order != 0) return false;
  }
  const Description& description = *product.description;
  return description.scale_type == CUDA_R_32F && IsKnown(epilogue.bias_type) &&
         (epilogue.kind & ~(1u | kRelu | kBias | kGelu)) == 0 &&
         description.attributes.Get(kPointerMode, kHostPointers) == kHostPointers;
}

}  // namespace

Status Compute(const Product& product) {
  Epilogue epilogue = EpilogueOf(product);
  if (!IsSupported(product, epilogue)) return kNotSupported;
  if ((epilogue.kind & kBias) && epilogue.bias == nullptr) return kInvalidValue;
  const MatrixLayout &a = *product.a_layout, &b = *product.b_layout, &c = *product.c_layout,
                     &d = *product.d_layout;
  const Attributes& set = product.description->attributes;
  bool turn_a = set.Get(kTransposeA, kNoTranspose) != kNoTranspose;
  bool turn_b = set.Get(kTransposeB, kNoTranspose) != kNoTranspose;
  auto alpha = *static_cast<const float*>(product.alpha);
  auto beta = *static_cast<const float*>(product.beta);
  auto rows = static_cast<int64_t>(d.rows), columns = static_cast<int64_t>(d.columns);
  auto inner = static_cast<int64_t>(turn_a ? a.rows : a.columns);
  for (int64_t batch = 0; batch < d.batch; ++batch) {
    for (int64_t column = 0; column < columns; ++column) {
      for (int64_t row = 0; row < rows; ++row) {
        float sum = 0;
        for (int64_t i = 0; i < inner; ++i) {
          int64_t in_a = turn_a ? At(a, batch, i, row) : At(a, batch, row, i);
          int64_t in_b = turn_b ? At(b, batch, column, i) : At(b, batch, i, column);
          sum += Load(product.a, a.type, in_a) * Load(product.b, b.type, in_b);
        }
        float value = alpha * sum;
        // Where beta is 0, C may be anything, also no number.
        if (beta != 0) value += beta * Load(product.c, c.type, At(c, batch, row, column));
        Store(product.d, d.type, At(d, batch, row, column), epilogue(value, row));
      }
    }
  }
  return kSuccess;
}

}  // namespace standin
