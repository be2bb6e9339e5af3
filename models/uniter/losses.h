// UNITER's losses, where they are more than one op of the house. Of masked words, of matching and of statements:
// `cross_entropy`. Targets are converted to the type of what they are compared with, and lie on the host.
#pragma once

#include "models/uniter/batch.h"

namespace tessera {

// Masked region feature regression: the mean of the squared differences over masked regions and channels.
// prediction and features [n, img_dim]; n = 0 is an error, here and below.
Variable uniter_feature_loss(const Variable& prediction, const Tensor& features);

// Masked region classification, logits [n, classes] and what the detector says, distributions [n, classes]:
// cross-entropy with its likeliest class but background, class 0, the first of equal ones; ...
Variable uniter_region_loss(const Variable& logits, const Tensor& distributions);
// ... or the Kullback-Leibler divergence from it, divided by regions · classes, as torch's element-wise mean is.
Variable uniter_region_kl_loss(const Variable& logits, const Tensor& distributions);

// Word-region alignment: optimal transport between all tokens of a text, [CLS] and [SEP] among them, and the regions.
struct UniterAlignment {
  Variable cost;      // 1 - cosine, flat (autograd/functions.h: ragged pairs)
  Tensor plan;        // laid out as the cost: what of each token goes to each region; a constant
  Variable distance;  // f64 [sequences]
  Variable loss;      // (sum over true pairs - sum over false ones) / sequences; the published total takes 0.1 of it
};
// hidden: states in the parameters' type, f32 or f64. labels i64 [sequences]: 1 for a true pair. The plan has
// `iterations` of IPOT (tensor/ops/ipot.h).
UniterAlignment uniter_alignment(const Variable& hidden, const UniterBatch& batch, const Tensor& labels,
                                 double beta = 0.5, int64_t iterations = 50);

// Binary cross-entropy, the mean over all elements times the number of answers. logits [n, answers], targets of 0..1.
Variable uniter_answer_loss(const Variable& logits, const Tensor& targets);

// Retrieval: of each `group` of scores, one after another, the first is that of the true pair. With s = sigmoid(score),
// the mean over all other pairs of max(0, margin + s - s_true). scores [groups · group, 1].
Variable uniter_rank_loss(const Variable& scores, int64_t group, double margin = 0.2);

}  // namespace tessera
