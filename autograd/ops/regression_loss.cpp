#include "tensor/ops/regression_loss.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {
namespace {

Variable regression(const char* op, const Variable& prediction, const Tensor& targets, ops::RegressionLoss loss,
                    double beta, Reduction reduction) {
  const Tensor& x = prediction.value();
  const bool divide = reduction == Reduction::mean && x.defined() && x.numel() > 0;
  const ops::RegressionOptions options{loss, beta, divide ? 1 / static_cast<double>(x.numel()) : 1.0, op};
  return record(op, ops::regression_loss(x, targets, options), {prediction},
                [x, targets, options](const Tensor& dy, GradSlots) -> Grads {
                  return {ops::regression_loss_backward(dy, x, targets, options)};
                });
}

}  // namespace

Variable mse_loss(const Variable& x, const Tensor& targets, Reduction reduction) {
  return regression("mse_loss", x, targets, ops::RegressionLoss::squared, 1, reduction);
}

Variable l1_loss(const Variable& x, const Tensor& targets, Reduction reduction) {
  return regression("l1_loss", x, targets, ops::RegressionLoss::absolute, 1, reduction);
}

Variable smooth_l1_loss(const Variable& x, const Tensor& targets, double beta, Reduction reduction) {
  return regression("smooth_l1_loss", x, targets, ops::RegressionLoss::smooth_l1, beta, reduction);
}

}  // namespace tessera
