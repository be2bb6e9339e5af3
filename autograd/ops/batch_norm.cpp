#include "tensor/ops/batch_norm.h"

#include "autograd/functions.h"
#include "autograd/ops/grad_slot.h"
#include "autograd/tape.h"

namespace tessera {
namespace {

Variable record_batch_norm(const Tensor& y, const Variable& x, const Variable& weight, const Variable& bias,
                           const Tensor& mean, const Tensor& variance, double eps, bool of_batch) {
  return record(
      "batch_norm", y, {x, weight, bias},
      [x = x.value(), w = weight.value(), mean, variance, eps, of_batch](const Tensor& dy, GradSlots slots) -> Grads {
        Grads grads(3);
        const ops::ParameterGradients places = parameter_places(slots, grads, w, 1, 2);
        grads[0] = ops::batch_norm_backward(dy, x, w, mean, variance, eps, of_batch, places);
        return grads;
      });
}

}  // namespace

Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps,
                    RunningStatistics* running, double momentum) {
  const ops::BatchNorm batch = ops::batch_norm(x.value(), weight.value(), bias.value(), eps);
  if (running) ops::update_running_statistics_(running->mean, running->variance, batch, momentum);
  return record_batch_norm(batch.y, x, weight, bias, batch.mean, batch.variance, eps, true);
}

Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias, const RunningStatistics& given,
                    double eps) {
  // A copy: the running ones may move before backward.
  const Tensor mean = given.mean.defined() ? given.mean.clone() : given.mean;
  const Tensor variance = given.variance.defined() ? given.variance.clone() : given.variance;
  return record_batch_norm(ops::batch_norm_given(x.value(), weight.value(), bias.value(), mean, variance, eps), x,
                           weight, bias, mean, variance, eps, false);
}

}  // namespace tessera
