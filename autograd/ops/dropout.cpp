#include "tensor/ops/dropout.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {

Variable dropout(const Variable& x, double p, const Ticket& ticket) {
  Tensor y = ops::dropout(x.value(), p, ticket);
  if (p == 0) return x;
  return record("dropout", y, {x},
                [p, ticket](const Tensor& dy, GradSlots) -> Grads { return {ops::dropout(dy, p, ticket)}; });
}

}  // namespace tessera
