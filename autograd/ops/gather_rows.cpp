#include "tensor/ops/gather_rows.h"

#include "autograd/functions.h"
#include "autograd/ops/grad_slot.h"

namespace tessera {
namespace {

Grads scattered(const Tensor& dy, const Tensor& index, std::span<const Shape> shapes, GradSlots slots) {
  std::vector<ops::RowTarget> targets;
  for (size_t k = 0; k < shapes.size(); ++k)
    targets.push_back(row_target(slots[k], shapes[k], dy.dtype(), dy.device()));
  ops::scatter_rows(dy, index, targets);
  Grads grads;
  for (const ops::RowTarget& target : targets) grads.push_back(target.grad);
  return grads;
}

Variable gather(const char* op, const std::vector<Variable>& sources, const Tensor& index) {
  std::vector<Tensor> values;
  std::vector<Shape> shapes;
  for (const Variable& source : sources) {
    values.push_back(source.value());
    shapes.push_back(source.shape());
  }
  return record(op, ops::gather_rows(op, values, index), sources,
                [index, shapes](const Tensor& dy, GradSlots slots) { return scattered(dy, index, shapes, slots); });
}

}  // namespace

Variable embedding(const Variable& table, const Tensor& ids) { return gather("embedding", {table}, ids); }

Variable gather_rows(const std::vector<Variable>& sources, const Tensor& index) {
  check(index.defined() && index.dim() == 1, "gather_rows: index is ", describe(index), ", expected i64 [n]");
  return gather("gather_rows", sources, index);
}

Variable interpolate_rows(const Variable& table, const Tensor& index, const Tensor& weight) {
  return record("interpolate_rows", ops::interpolate_rows(table.value(), index, weight), {table},
                [=, shape = table.shape()](const Tensor& dy, GradSlots slots) -> Grads {
                  ops::RowTarget target = row_target(slots[0], shape, dy.dtype(), dy.device());
                  ops::scatter_weighted_rows(dy, index, weight, target);
                  return {target.grad};
                });
}

}  // namespace tessera
