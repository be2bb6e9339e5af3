// The packed copies of weights that products use. A copy hangs on the weight's root, so that it lives as long as the weight,
// and is as of one version of it: it is packed once per update, not in every product.
#pragma once

#include <array>
#include <memory>

#include "tensor/products/packed_matrix.h"

namespace tessera {

// The packed copies of one weight: both orientations in both forms, as far as they have been asked for.
class WeightCopies {
 public:
  PackedMatrix& at(bool transpose, PackedForm form) {
    return copies_[(transpose ? 1 : 0) + (form == PackedForm::split ? 2 : 0)];
  }

 private:
  std::array<PackedMatrix, 4> copies_;
};

// The copies that hang on the root of `weight`; null if there are none.
std::shared_ptr<WeightCopies> existing_copies(const Tensor& weight);

// op(weight) as the right operand of a product (PackedMatrix::refresh says how), packed anew if the weight has changed since.
// Not to be asked for by two threads at once that have not asked since the weight changed.
std::shared_ptr<const PackedMatrix> packed_weight(const Tensor& weight, bool transpose, PackedForm form = PackedForm::bf16);

}  // namespace tessera
