#include "tensor/ops/cosine_cost.h"

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "tensor/ops/transport_distance.h"

namespace tessera {
namespace {

Variable cost_of(const Variable& x, const Variable& y, const Tensor& cu_x, const Tensor& cu_y, double eps,
                 const Shape* shape) {
  const auto forward = ops::cosine_cost(x.value(), y.value(), cu_x, cu_y, eps);
  const Tensor cost = shape ? forward.cost.view(*shape) : forward.cost;
  // The cost itself is not needed again: only the scales are saved.
  const ops::CosineCostResult saved{{}, forward.x_scale, forward.y_scale};
  return record("cosine_cost", cost, {x, y},
                [=, x = x.value(), y = y.value()](const Tensor& dcost, GradSlots) -> Grads {
                  const auto gradients = ops::cosine_cost_backward(dcost, x, y, saved, cu_x, cu_y, eps);
                  return {gradients.dx, gradients.dy};
                });
}

}  // namespace

Variable cosine_cost(const Variable& x, const Variable& y, double eps) {
  check(x.defined() && x.value().dim() == 2 && y.defined() && y.value().dim() == 2, "cosine_cost: x is ",
        describe(x.value()), " and y is ", describe(y.value()), ", expected [m, d] and [n, d]");
  const Shape shape{x.size(0), y.size(0)};
  const auto marks = [](int64_t rows) { return Tensor::from(std::vector<int64_t>{0, rows}); };
  return cost_of(x, y, marks(x.size(0)), marks(y.size(0)), eps, &shape);
}

Variable cosine_cost(const Variable& x, const Variable& y, const Tensor& cu_x, const Tensor& cu_y, double eps) {
  return cost_of(x, y, cu_x, cu_y, eps, nullptr);
}

Variable transport_distance(const Variable& cost, const Tensor& plan, const Tensor& cu_x, const Tensor& cu_y) {
  return record(
      "transport_distance", ops::transport_distance(cost.value(), plan, cu_x, cu_y), {cost},
      [=](const Tensor& dy, GradSlots) -> Grads { return {ops::transport_distance_backward(dy, plan, cu_x, cu_y)}; });
}

}  // namespace tessera
