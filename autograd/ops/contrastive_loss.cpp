#include <numeric>

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
  const Variable logits = contrastive_logits(images, texts, log_scale);
  std::vector<int64_t> own(static_cast<size_t>(images.size(0)));
  std::iota(own.begin(), own.end(), 0);
  const Tensor pairs = Tensor::from(own);
  return (cross_entropy(logits, pairs) + cross_entropy(transpose(logits, 0, 1), pairs)) * 0.5;
}

}  // namespace tessera
