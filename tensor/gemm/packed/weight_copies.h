// The packed copies of weights that products use. A copy hangs on the weight's root, so that it lives as long as the
// weight, and is as of one version of it: it is packed once per update, not in every product.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "tensor/gemm/packed/packed_matrix.h"

namespace tessera {

// The packed copies of one weight: both orientations in both forms, as far as they have been asked for.
class WeightCopies {
 public:
  PackedMatrix& at(bool transpose, PackedForm form) { return copies_[index(transpose, form)].matrix; }
  // The same, and notes that a product uses it.
  PackedMatrix& use(bool transpose, PackedForm form);

  // For an update: the copies that have been used since the last call, which it should write together with the weight.
  // The others are dropped, so that a copy which is no longer used (as those of an evaluation in another precision)
  // costs neither time nor memory.
  std::vector<PackedMatrix*> take_used();

 private:
  struct Copy {
    PackedMatrix matrix;
    std::atomic<bool> used{false};
  };
  static size_t index(bool transpose, PackedForm form) {
    return (transpose ? 1 : 0) + (form == PackedForm::split ? 2 : 0);
  }

  std::array<Copy, 4> copies_;
};

// The copies that hang on the root of `weight`; null if there are none.
std::shared_ptr<WeightCopies> existing_copies(const Tensor& weight);

// op(weight) as the right operand of a product (PackedMatrix::refresh says how), packed anew if the weight has changed
// since. Threads may ask at the same time; the first packs, the others wait.
std::shared_ptr<const PackedMatrix> packed_weight(const Tensor& weight, bool transpose,
                                                  PackedForm form = PackedForm::bf16);

}  // namespace tessera
