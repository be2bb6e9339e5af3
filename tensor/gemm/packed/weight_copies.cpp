#include "tensor/gemm/packed/weight_copies.h"

namespace tessera {

PackedMatrix& WeightCopies::use(bool transpose, PackedForm form) {
  Copy& copy = copies_[index(transpose, form)];
  copy.used.store(true, std::memory_order_relaxed);
  return copy.matrix;
}

std::vector<PackedMatrix*> WeightCopies::take_used() {
  std::vector<PackedMatrix*> used;
  for (Copy& copy : copies_)
    if (copy.used.exchange(false, std::memory_order_relaxed))
      used.push_back(&copy.matrix);
    else
      copy.matrix.drop();
  return used;
}

std::shared_ptr<WeightCopies> existing_copies(const Tensor& weight) {
  if (weight.on_cuda()) return nullptr;
  Root& root = *weight.root();
  const std::lock_guard guard(root.mutex);
  return std::static_pointer_cast<WeightCopies>(root.derived);
}

std::shared_ptr<const PackedMatrix> packed_weight(const Tensor& weight, bool transpose, PackedForm form) {
  check(weight.defined(), "packed_weight: weight is undefined");
  check(!weight.on_cuda(), "packed_weight: weight is ", describe(weight), " on a GPU");
  Root& root = *weight.root();
  const std::lock_guard guard(root.mutex);
  if (!root.derived) root.derived = std::make_shared<WeightCopies>();
  const auto copies = std::static_pointer_cast<WeightCopies>(root.derived);
  PackedMatrix& packed = copies->use(transpose, form);
  packed.refresh(weight, transpose, form);
  return {copies, &packed};
}

}  // namespace tessera
