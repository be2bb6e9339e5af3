// What the kernels compute, straight from the formulas, in f64: each an expression of a few lines in reference.cpp, so
// that no test has to compile Eigen. Arguments are of any floating dtype and any strides; results are f64.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::reference {

// f of every element, and of the elements of a and b broadcast to `shape`.
Tensor map(const Tensor& x, double (*f)(double));
Tensor map(const Tensor& a, const Tensor& b, const Shape& shape, double (*f)(double, double));
Tensor magnitude(const Tensor& x);  // |x|
double gelu(double x);              // x Φ(x)

// a [..., m, k] and b [..., k, n], whose leading dimensions broadcast to `batch`: [batch..., m, n].
Tensor matmul(const Tensor& a, const Tensor& b, const Shape& batch = {});
// x Wᵀ + bias for x [rows, in], weight [out, in], bias [out] or undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

double norm(const Tensor& x);  // by sums in long double
Tensor sum(const Tensor& x, int dimension);
struct Maximum {
  Tensor value, index;  // the first of equal ones
};
Maximum max(const Tensor& x, int dimension);

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
// Over the last dimension, among the elements where `mask` (i64, of x's shape) is not 0; rows without any are zeros.
Tensor softmax(const Tensor& x, const Tensor& mask = {});

// For logits [rows, classes], over the rows whose label is not `ignored`.
double cross_entropy(const Tensor& logits, const std::vector<int64_t>& labels, bool mean, int64_t ignored);
double bce_with_logits(const Tensor& logits, const Tensor& targets);  // summed

// Row i is Σ_k weight[i, k] table[index[i, k]].
Tensor interpolate_rows(const Tensor& table, const Tensor& index, const Tensor& weight);

// 1 - cos of the rows of x [m, d] and y [n, d]: [m, n].
Tensor cosine_cost(const Tensor& x, const Tensor& y);
// Algorithm 1 of the IPOT paper with uniform marginals, word for word, for cost [m, n].
Tensor ipot(const Tensor& cost, double beta, int iterations);

}  // namespace tessera::reference
