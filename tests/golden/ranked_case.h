// The sequences of a batch as the ranking engine scores them (vilt/ranking/pair_scorer.h).
#pragma once

#include "vilt/heads.h"
#include "vilt/input/batch.h"

namespace tessera::golden {

// A score for each sequence, in their order, in the type of the parameters; all have one picture, whole, and texts of
// one segment.
Tensor ranked(const ViltWithHeads& model, const PackedBatch& packed);

// Error: of two sequences with the same picture the reference orders others than these scores do.
void check_same_order(const PackedBatch& packed, const Tensor& scores, const Tensor& expected);

}  // namespace tessera::golden
