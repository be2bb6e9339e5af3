#include "tensor/gemm/packed/packed_matrix.h"

#include "tensor/gemm/packed/pack_right.h"

namespace tessera {
namespace {

void check_matrix(const Tensor& matrix, PackedForm form) {
  check(matrix.defined() && matrix.dim() == 2 && (matrix.dtype() == DType::f32 || matrix.dtype() == DType::bf16),
        "PackedMatrix: matrix is ", matrix.defined() ? text(describe(matrix)) : "undefined",
        ", expected f32 or bf16 with 2 dimensions");
  check(matrix.stride(1) == 1 || matrix.size(1) <= 1, "PackedMatrix: rows of ", describe(matrix),
        " are not contiguous: stride ", matrix.stride(1));
  check(form != PackedForm::split || matrix.dtype() == DType::f32, "PackedMatrix: matrix is ", describe(matrix),
        ", expected f32 to be split");
}

}  // namespace

bool PackedMatrix::holds(const Tensor& matrix, bool transpose, PackedForm form) const {
  return defined() && source_ == matrix.storage() && offset_ == matrix.offset() && stride_ == matrix.stride(0) &&
         transpose_ == transpose && form_ == form && k_ == matrix.size(transpose ? 1 : 0) &&
         n_ == matrix.size(transpose ? 0 : 1);
}

bool PackedMatrix::is_of(const Tensor& tensor) const {
  return defined() && tensor.is_contiguous() && source_ == tensor.storage() && offset_ == tensor.offset() &&
         k_ * n_ == tensor.numel() && (stride_ == source_columns() || source_rows() == 1);
}

void PackedMatrix::reserve(const Tensor& matrix, bool transpose, PackedForm form) {
  check_matrix(matrix, form);
  if (!holds(matrix, transpose, form)) {
    k_ = matrix.size(transpose ? 1 : 0);
    n_ = matrix.size(transpose ? 0 : 1);
    padded_k_ = products::padded_depth(k_);
    const int64_t parts = form == PackedForm::split ? 2 : 1;
    memory_ = Tensor::zeros({parts, products::strips_of(n_), padded_k_, products::kStrip}, DType::bf16);
    source_ = matrix.storage();
    offset_ = matrix.offset();
    stride_ = matrix.stride(0);
    transpose_ = transpose;
    form_ = form;
  }
  version_ = matrix.version();
}

bool PackedMatrix::refresh(const Tensor& matrix, bool transpose, PackedForm form) {
  check_matrix(matrix, form);
  if (holds(matrix, transpose, form) && version_ == matrix.version()) return false;
  reserve(matrix, transpose, form);
  const bool is_f32 = matrix.dtype() == DType::f32;
  const void* data = is_f32 ? static_cast<const void*>(matrix.data<float>()) : matrix.data<bf16>();
  products::pack_right(
      {.data = data, .is_f32 = is_f32, .vectors = n_, .depth = k_, .stride = matrix.stride(0), .across = !transpose},
      mutable_data(), form == PackedForm::split ? mutable_data() + low_offset() : nullptr);
  return true;
}

}  // namespace tessera
