#include "models/uniter/losses.h"

#include <algorithm>

#include "autograd/functions.h"
#include "tensor/error.h"
#include "tensor/ops/ipot.h"

namespace tessera {
namespace {

void check_rows(const char* loss, const Variable& rows, const Tensor& targets) {
  check(rows.shape().dim() == 2 && targets.shape() == rows.shape(), "uniter: ", loss, " of ", rows.shape(),
        " with targets of ", targets.shape());
  check(rows.size(0) > 0, "uniter: ", loss, " of no rows");
}

}  // namespace

Variable uniter_feature_loss(const Variable& prediction, const Tensor& features) {
  check_rows("masked features", prediction, features);
  return mse_loss(prediction, features.to(prediction.dtype()));
}

Variable uniter_region_loss(const Variable& logits, const Tensor& distributions) {
  check_rows("masked regions", logits, distributions);
  const int64_t regions = logits.size(0), classes = logits.size(1);
  check(classes >= 2, "uniter: masked regions of ", classes, " classes, expected background and another");
  const std::vector<double> all = distributions.to(DType::f64).to(Device{}).to_vector<double>();
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < regions; ++i) {
    const auto row = all.begin() + i * classes;
    labels.push_back(std::max_element(row + 1, row + classes) - row);
  }
  return cross_entropy(logits, Tensor::from(labels));
}

Variable uniter_region_kl_loss(const Variable& logits, const Tensor& distributions) {
  check_rows("masked regions", logits, distributions);
  return kl_div(logits, distributions.to(logits.dtype())) / static_cast<double>(logits.size(1));
}

UniterAlignment uniter_alignment(const Variable& hidden, const UniterBatch& batch, const Tensor& labels, double beta,
                                 int64_t iterations) {
  check(labels.numel() == batch.sequences(), "uniter: alignment of ", batch.sequences(), " sequences with ",
        labels.numel(), " labels");
  UniterAlignment out;
  out.cost = cosine_cost(gather_rows({hidden}, batch.text_rows), gather_rows({hidden}, batch.region_rows),
                         batch.cu_text, batch.cu_regions);
  out.plan = ops::ipot(out.cost.value(), batch.cu_text, batch.cu_regions, beta, iterations);
  // The loss is a small difference of distances near one, which would leave f32 few digits.
  out.distance =
      transport_distance(cast(out.cost, DType::f64), out.plan.to(DType::f64), batch.cu_text, batch.cu_regions);
  std::vector<double> signs;
  for (const int64_t label : labels.to_vector<int64_t>()) signs.push_back(label == 1 ? 1 : -1);
  const Variable sign(Tensor::from(signs).to(hidden.value().device()));
  out.loss = cast(sum(out.distance * sign) / static_cast<double>(signs.size()), hidden.dtype());
  return out;
}

Variable uniter_answer_loss(const Variable& logits, const Tensor& targets) {
  check_rows("answers", logits, targets);
  return bce_with_logits(logits, targets.to(logits.dtype())) * static_cast<double>(logits.size(1));
}

Variable uniter_rank_loss(const Variable& scores, int64_t group, double margin) {
  const int64_t count = scores.value().numel();
  check(group >= 2 && count > 0 && count % group == 0, "uniter: ", count, " scores in groups of ", group,
        ", expected whole groups of at least 2");
  const Variable sure = reshape(sigmoid(scores), {count / group, group});
  return mean(relu(narrow(sure, 1, 1, group - 1) - narrow(sure, 1, 0, 1) + margin));
}

}  // namespace tessera
