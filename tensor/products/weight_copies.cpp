#include "tensor/products/weight_copies.h"

namespace tessera {

std::shared_ptr<WeightCopies> existing_copies(const Tensor& weight) {
  Root& root = *weight.root();
  const std::lock_guard guard(root.mutex);
  return std::static_pointer_cast<WeightCopies>(root.derived);
}

std::shared_ptr<const PackedMatrix> packed_weight(const Tensor& weight, bool transpose, PackedForm form) {
  check(weight.defined(), "packed_weight: weight is undefined");
  std::shared_ptr<WeightCopies> copies;
  {
    Root& root = *weight.root();
    const std::lock_guard guard(root.mutex);
    if (!root.derived) root.derived = std::make_shared<WeightCopies>();
    copies = std::static_pointer_cast<WeightCopies>(root.derived);
  }
  PackedMatrix& packed = copies->at(transpose, form);
  packed.refresh(weight, transpose, form);
  return {copies, &packed};
}

}  // namespace tessera
