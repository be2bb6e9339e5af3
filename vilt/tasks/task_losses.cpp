#include "vilt/tasks/task_losses.h"

namespace tessera {
namespace {

constexpr int64_t kLevels = 256;

Variable divide(const char* name, const Variable& sum, int64_t count) {
  check(count > 0, name, ": a step of ", count, " samples");
  return sum * (1.0 / static_cast<double>(count));
}

}  // namespace

Variable answer_loss(const Variable& logits, const Tensor& targets, int64_t samples) {
  return divide("answer_loss", bce_with_logits(logits, targets, Reduction::sum), samples);
}

Variable class_loss(const Variable& logits, const Tensor& labels, int64_t samples) {
  return divide("class_loss", cross_entropy(logits, labels, Reduction::sum), samples);
}

Variable rank_loss(const Variable& scores, int64_t texts, int64_t images) {
  const int64_t count = scores.value().numel();
  check(texts > 0 && count % texts == 0, "rank_loss: ", count, " scores, expected a multiple of ", texts,
        " texts per image");
  const Tensor own = Tensor::zeros({count / texts}, DType::i64);
  return divide("rank_loss", cross_entropy(reshape(scores, {count / texts, texts}), own, Reduction::sum), images);
}

Variable patch_loss(const Variable& logits, const Tensor& colours, int64_t patches) {
  const int64_t pairs = colours.numel();
  const Tensor levels = colours.contiguous().view({pairs});
  return divide("patch_loss", cross_entropy(reshape(logits, {pairs, kLevels}), levels, Reduction::sum), 3 * patches);
}

}  // namespace tessera
