// Losses of fine-tuning, and of masked patches. Each is a sum over the samples of a micro-batch divided by `samples`,
// those of the whole step, so that micro-batches are invisible.
#pragma once

#include "autograd/functions.h"

namespace tessera {

// Visual question answering: several answers may be right to a degree. Binary cross-entropy summed over the answers;
// for a whole batch that is the mean over all elements times the number of answers, as the authors and Hugging Face
// have it. logits [n, answers], targets [n, answers] of 0..1, of the logits' dtype.
Variable answer_loss(const Variable& logits, const Tensor& targets, int64_t samples);

// One label each (statements about pairs of images): cross-entropy. logits [n, classes], labels i64 [n].
Variable class_loss(const Variable& logits, const Tensor& labels, int64_t samples);

// Retrieval: of the `texts` texts of an image the first is its own. Cross-entropy of the scores of an image's texts
// with target 0, divided by `images`. scores [images · texts, 1], the texts of an image one after another.
Variable rank_loss(const Variable& scores, int64_t texts, int64_t images);

// Masked patches: for each channel a cross-entropy over the 256 levels, divided by all (patch, channel) pairs of the
// step. logits [n, 3 · 256] channel-major, colours i64 [n, 3]; `patches` of the whole step.
Variable patch_loss(const Variable& logits, const Tensor& colours, int64_t patches);

}  // namespace tessera
