#include "tensor/ops/embed_tokens.h"

#include "autograd/functions.h"
#include "autograd/ops/grad_slot.h"

namespace tessera {

Variable embed_tokens(const std::vector<Variable>& sources, const Tensor& index, const Variable& type_table,
                      const Tensor& types, double p, const Ticket& ticket, DType dtype) {
  std::vector<Tensor> values;
  std::vector<Shape> shapes;
  for (const Variable& source : sources) {
    values.push_back(source.value());
    shapes.push_back(source.shape());
  }
  std::vector<Variable> inputs = sources;
  inputs.push_back(type_table);
  const Tensor y = ops::embed_tokens(values, index, type_table.value(), types, p, ticket, dtype);
  shapes.push_back(type_table.shape());
  return record("embed_tokens", y, inputs,
                [=, table_dtype = type_table.dtype()](const Tensor& dy, GradSlots slots) -> Grads {
                  std::vector<ops::RowTarget> targets;
                  for (size_t k = 0; k < shapes.size(); ++k)
                    targets.push_back(row_target(slots[k], shapes[k], table_dtype, dy.device()));
                  const std::span<ops::RowTarget> all = targets;
                  ops::embed_tokens_backward(dy, index, types, p, ticket, all.first(all.size() - 1), all.back());
                  Grads grads;
                  for (const ops::RowTarget& target : targets) grads.push_back(target.grad);
                  return grads;
                });
}

}  // namespace tessera
