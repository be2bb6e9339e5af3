// Hinge losses of ranking both ways (Faghri et al., VSE++, BMVC 2018): a picture's own caption has to be closer than
// the others by a margin m, and a caption's own picture too.
//
// For similarities S [n, n], pictures in rows, captions in columns, pairs on the diagonal:
//
//   caption_ij = max(0, m + S_ij - S_ii),   picture_ij = max(0, m + S_ij - S_jj),   i ≠ j
//   all:      loss = Σ_ij caption_ij + Σ_ij picture_ij
//   hardest:  loss = Σ_i max_j caption_ij + Σ_j max_i picture_ij
//
// Sums, not means, as published. A hinge at exactly 0 has slope 0; of equal maxima the first one has all of it. With
// A_ij = 1 where caption_ij is above 0 (and, for `hardest`, is its row's first largest), else 0, and B_ij likewise for
// pictures and columns:
//
//   dS_ij = A_ij + B_ij,   i ≠ j;      dS_ii = -Σ_j A_ij - Σ_j B_ji;      all times dloss.
//
// One pair alone has nothing to be compared with: its loss is 0. f32 or f64 (on a GPU f32); each hinge in that type,
// summed in f64. A NaN makes the loss NaN where n > 1.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

enum class Negatives : uint8_t { all, hardest };

struct RankingHinge {
  Tensor loss;  // scalar
  // i64 [2, n], of rows and of columns. all: how many hinges are above 0; hardest: which one is, or -1.
  Tensor active;
};
RankingHinge ranking_hinge(const Tensor& similarity, double margin, Negatives negatives);

// dloss []; [n, n].
Tensor ranking_hinge_backward(const Tensor& dloss, const Tensor& similarity, const Tensor& active, double margin,
                              Negatives negatives);

}  // namespace tessera::ops
