#include "tensor/ops/contrastive.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {

Variable contrastive_logits(const Variable& images, const Variable& texts, const Variable& log_scale) {
  check(log_scale.defined() && log_scale.shape().numel() == 1, "contrastive_logits: log_scale is ",
        describe(log_scale.value()), ", expected one number");
  return matmul(images, transpose(texts, 0, 1)) * reshape(exp(log_scale), {});
}

Variable contrastive_loss(const Variable& images, const Variable& texts, const Variable& log_scale) {
  check(images.defined() && texts.defined() && images.shape().dim() == 2 && images.shape() == texts.shape(),
        "contrastive_loss: images are ", describe(images.value()), ", texts ", describe(texts.value()),
        ", expected both [pairs, size]");
  const Variable similarity = matmul(images, transpose(texts, 0, 1));
  const Tensor &s = similarity.value(), &scale = log_scale.value();
  const ops::Contrastive forward = ops::contrastive(s, scale);
  return record("contrastive_loss", forward.loss, {similarity, log_scale},
                [s, scale, lines = forward.lines](const Tensor& dy, GradSlots) -> Grads {
                  ops::ContrastiveGradients gradients = ops::contrastive_backward(dy, s, scale, lines);
                  return {std::move(gradients.d_similarity), std::move(gradients.d_log_scale)};
                });
}

}  // namespace tessera
