// Cross-entropy of class logits, fused with the softmax.
//
// For logits x [n, classes] and labels l [n], with log_sum_exp_i = log Σ_c exp x_ic:
//
//   loss = Σ_i (log_sum_exp_i - x_i,l_i) / divisor   over the rows whose label is not `ignore_index`;
//
// the divisor is the number of those rows (mean) or 1 (sum). Only log_sum_exp is kept for backward, in f64: its
// rounding to f32 would scale all of a row's probabilities alike, and the gradients of a row would no longer cancel in
// a sum.
//
//   dx_ic = dloss / divisor · (exp(x_ic - log_sum_exp_i) - [c = l_i]),   0 in rows that do not count.
//
// On a CPU, gradients of at most 16 classes are taken in f64, and of f32 logits a row of them sums to zero more closely
// than their roundings would: the largest other element than the label's takes what those leave.
//
// Logits and their gradients may be bf16; the loss is f32 then, and the arithmetic as of f32 logits. Labels and targets
// lie on the host; on a GPU logits are f32 or bf16.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

struct CrossEntropyResult {
  Tensor loss;         // scalar
  Tensor log_sum_exp;  // f64 [n]; undefined contents in rows that do not count
  int64_t counted = 0;
};

// The loss is summed (in f64, in row order), and divided by the counted rows if `mean`; 0 if there is none.
CrossEntropyResult cross_entropy(const Tensor& logits, const Tensor& labels, bool mean, int64_t ignore_index);

// `factor` = dloss / divisor. [n, classes].
Tensor cross_entropy_backward(double factor, const Tensor& logits, const Tensor& labels, const Tensor& log_sum_exp,
                              int64_t ignore_index);

// The same for a gradient `dloss` [1], on the device of the logits.
Tensor cross_entropy_backward(const Tensor& dloss, double divisor, const Tensor& logits, const Tensor& labels,
                              const Tensor& log_sum_exp, int64_t ignore_index);

}  // namespace tessera::ops
