#include "tensor/ops/cross_entropy.h"

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "tensor/ops/bce_with_logits.h"

namespace tessera {

Variable cross_entropy(const Variable& logits, const Tensor& labels, Reduction reduction, int64_t ignore_index) {
  const bool mean = reduction == Reduction::mean;
  const auto forward = ops::cross_entropy(logits.value(), labels, mean, ignore_index);
  const double divisor = mean && forward.counted > 0 ? static_cast<double>(forward.counted) : 1.0;
  return record("cross_entropy", forward.loss, {logits},
                [=, x = logits.value(), log_sum_exp = forward.log_sum_exp](const Tensor& dy, GradSlots) -> Grads {
                  return {ops::cross_entropy_backward(dy, divisor, x, labels, log_sum_exp, ignore_index)};
                });
}

Variable bce_with_logits(const Variable& logits, const Tensor& targets, Reduction reduction) {
  const Tensor& x = logits.value();
  const bool divide = reduction == Reduction::mean && x.defined() && x.numel() > 0;
  const double factor = divide ? 1 / static_cast<double>(x.numel()) : 1.0;
  return record(
      "bce_with_logits", ops::bce_with_logits(x, targets, factor), {logits},
      [=](const Tensor& dy, GradSlots) -> Grads { return {ops::bce_with_logits_backward(dy, factor, x, targets)}; });
}

}  // namespace tessera
