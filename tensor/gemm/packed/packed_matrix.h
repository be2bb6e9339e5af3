// A right operand in packed form (kernels.h says how it lies), for weights, which are packed once per update and used
// in many products.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace tessera {

enum class PackedForm : uint8_t {
  bf16,   // each element rounded to bf16
  split,  // each f32 element as two bf16 (precision `high`): 4 bytes per element
};

class PackedMatrix {
 public:
  PackedMatrix() = default;  // holds nothing

  // Packs op(matrix) as the right operand [k, n] of a product, unless it holds that already: the same memory at the
  // same version in the same form. matrix is f32 or bf16 with two dimensions and contiguous rows; `split` wants f32.
  // Returns true if it packed. Of a linear layer's W [out, in]: y = x Wᵀ takes transpose = true (k = in), dx = dy W
  // false (k = out).
  bool refresh(const Tensor& matrix, bool transpose, PackedForm form = PackedForm::bf16);

  // For a pass that writes the packed elements itself, as the optimiser's: memory for [k, n], zeros in the padding,
  // marked as of `matrix`'s version. element() says where each belongs.
  void reserve(const Tensor& matrix, bool transpose, PackedForm form = PackedForm::bf16);
  uint16_t* mutable_data() { return reinterpret_cast<uint16_t*>(memory_.mutable_data<bf16>()); }
  // Marks the contents as of `matrix`'s present version.
  void mark(const Tensor& matrix) { version_ = matrix.version(); }

  bool defined() const { return memory_.defined(); }
  // Whether this is a copy of all of `tensor`, contiguous, whatever its shape: a patch projection's [hidden, 3, 32, 32]
  // is packed as [hidden, 3072].
  bool is_of(const Tensor& tensor) const;
  // Gives the memory back; holds nothing then.
  void drop() { *this = PackedMatrix(); }
  int64_t k() const { return k_; }
  int64_t n() const { return n_; }
  PackedForm form() const { return form_; }
  bool transpose() const { return transpose_; }
  // Of the matrix as it lies in memory: of W, whether W or Wᵀ is the operand.
  int64_t source_rows() const { return transpose_ ? n_ : k_; }
  int64_t source_columns() const { return transpose_ ? k_ : n_; }
  uint64_t version() const { return version_; }  // of the tensor whose contents these are
  int64_t bytes() const { return memory_.bytes(); }

  // All strips, high parts; a split matrix has the low ones at data() + low_offset().
  const uint16_t* data() const { return reinterpret_cast<const uint16_t*>(memory_.data<bf16>()); }
  int64_t low_offset() const { return memory_.numel() / 2; }
  // Where element (l, j) of the operand lies (its high part).
  int64_t element(int64_t l, int64_t j) const { return (j / 16 * padded_k_ / 2 + l / 2) * 32 + j % 16 * 2 + l % 2; }
  int64_t padded_k() const { return padded_k_; }

 private:
  bool holds(const Tensor& matrix, bool transpose, PackedForm form) const;

  Tensor memory_;
  std::shared_ptr<Storage> source_;
  int64_t offset_ = 0, stride_ = 0, k_ = 0, n_ = 0, padded_k_ = 0;
  uint64_t version_ = 0;
  bool transpose_ = false;
  PackedForm form_ = PackedForm::bf16;
};

}  // namespace tessera
