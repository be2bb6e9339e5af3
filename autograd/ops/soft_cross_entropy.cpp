#include "tensor/ops/soft_cross_entropy.h"

#include <vector>

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {
namespace {

Variable soft(const char* op, const Variable& logits, const Tensor& targets, Reduction reduction, bool divergence) {
  const Tensor& x = logits.value();
  const bool divide = reduction == Reduction::mean && x.defined() && x.dim() > 0 && x.size(0) > 0;
  const double factor = divide ? 1 / static_cast<double>(x.size(0)) : 1.0;
  const ops::SoftCrossEntropy forward = ops::soft_cross_entropy(op, x, targets, factor, divergence);
  return record(op, forward.loss, {logits}, [=](const Tensor& dy, GradSlots) -> Grads {
    return {ops::soft_cross_entropy_backward(dy, factor, x, targets, forward)};
  });
}

}  // namespace

Variable soft_cross_entropy(const Variable& logits, const Tensor& targets, Reduction reduction) {
  return soft("soft_cross_entropy", logits, targets, reduction, false);
}

Variable kl_div(const Variable& logits, const Tensor& targets, Reduction reduction) {
  return soft("kl_div", logits, targets, reduction, true);
}

// (1 - ε) H(one-hot) + ε H(uniform), both over the rows that count.
Variable label_smoothing_cross_entropy(const Variable& logits, const Tensor& labels, double smoothing,
                                       Reduction reduction, int64_t ignore_index) {
  check(smoothing >= 0 && smoothing <= 1, "label_smoothing_cross_entropy: smoothing is ", smoothing,
        ", expected 0 to 1");
  const Variable hard = cross_entropy(logits, labels, reduction, ignore_index);
  std::vector<int64_t> counted;
  const std::vector<int64_t> label = labels.to_vector<int64_t>();
  for (size_t i = 0; i < label.size(); ++i)
    if (label[i] != ignore_index) counted.push_back(static_cast<int64_t>(i));
  const auto rows = static_cast<int64_t>(counted.size()), classes = logits.size(1);
  const Variable kept = counted.size() == label.size() ? logits : gather_rows({logits}, Tensor::from(counted));
  const DType dtype = logits.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const double share = classes > 0 ? 1 / static_cast<double>(classes) : 0.0;
  const Tensor uniform = Tensor::full({1, classes}, share, dtype).expand({rows, classes});
  return hard * (1 - smoothing) + soft_cross_entropy(kept, uniform, reduction) * smoothing;
}

}  // namespace tessera
