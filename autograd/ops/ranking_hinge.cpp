#include "tensor/ops/ranking_hinge.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {

Variable ranking_hinge_loss(const Variable& similarity, double margin, ops::Negatives negatives) {
  const Tensor& s = similarity.value();
  const ops::RankingHinge forward = ops::ranking_hinge(s, margin, negatives);
  return record("ranking_hinge_loss", forward.loss, {similarity},
                [=, active = forward.active](const Tensor& dy, GradSlots) -> Grads {
                  return {ops::ranking_hinge_backward(dy, s, active, margin, negatives)};
                });
}

}  // namespace tessera
