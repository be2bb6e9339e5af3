// The rows of layer normalisation, which layer_norm.cpp and dropout_add_layer_norm.cpp share.
#pragma once

#include <cmath>

#include "tensor/ops/layer_norm.h"
#include "tensor/ops/matrix_operand.h"
#include "tensor/simd/row_kernels.h"

namespace tessera::ops {

inline void check_layer_norm(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check(x.defined() && weight.defined() && bias.defined(), op, ": x, weight or bias is undefined");
  check(x.dim() >= 1, op, ": x is ", describe(x), ", expected [..., channels]");
  const Shape expected{x.size(-1)};
  const DType dtype = arithmetic_dtype(x.dtype());
  check(weight.shape() == expected && weight.dtype() == dtype, op, ": weight is ", describe(weight), ", expected ",
        dtype, " ", expected);
  check(bias.shape() == expected && bias.dtype() == dtype, op, ": bias is ", describe(bias), ", expected ", dtype, " ",
        expected);
  check(eps >= 0, op, ": eps is ", eps, ", expected at least 0");
}

// y [d] from x [d], which may be the same memory. `mean` receives two numbers whose sum is the mean.
template <class X, class T>
inline void normalise_row(const X* x, const T* w, const T* b, X* y, int64_t d, T eps, T* mean, T& rstd) {
  const T count = static_cast<T>(d);
  const T m = row_sums<T, 1>(d, [&](auto load, int64_t i, auto& sums) { sums[0] += load(x + i); })[0] / count;
  const auto [rest, squares] = row_sums<T, 2>(d, [&](auto load, int64_t i, auto& sums) {
    const auto centred = load(x + i) - m;
    sums[0] += centred;
    sums[1] += centred * centred;
  });
  const T low = rest / count;
  const T variance = std::max(squares / count - low * low, T{0});
  const T r = T{1} / std::sqrt(variance + eps);
  for_row<T>(d, [&](auto load, int64_t i) {
    store(y + i, ((load(x + i) - m) - low) * r * load(w + i) + load(b + i));
  });
  mean[0] = m;
  mean[1] = low;
  rstd = r;
}

// Adds dy x̂ and dy to the partial sums dw and db, and calls write(load, i, dx) with the gradient at each position.
template <class X, class T, class Write>
inline void normalise_row_backward(const X* dy, const X* x, const T* w, const T* mean, T rstd, int64_t d, T* dw, T* db,
                                   Write&& write) {
  const T high = mean[0], low = mean[1];
  const auto [sum, projection] = row_sums<T, 2>(d, [&](auto load, int64_t i, auto& sums) {
    const auto dy_i = load(dy + i);
    const auto normalised = ((load(x + i) - high) - low) * rstd;
    const auto g = dy_i * load(w + i);
    sums[0] += g;
    sums[1] += g * normalised;
    store(dw + i, load(dw + i) + dy_i * normalised);
    store(db + i, load(db + i) + dy_i);
  });
  const T mean_g = sum / static_cast<T>(d), mean_projection = projection / static_cast<T>(d);
  for_row<T>(d, [&](auto load, int64_t i) {
    const auto normalised = ((load(x + i) - high) - low) * rstd;
    write(load, i, rstd * (load(dy + i) * load(w + i) - mean_g - normalised * mean_projection));
  });
}

// Checks the places for the gradients and writes them from the partial sums [dw | db].
template <class T>
void write_norm_gradients(const RowSums<T>& sums, const ParameterGradients& gradients, int64_t d) {
  if (gradients.dweight.defined()) {
    Tensor dw = gradients.dweight;
    sums.write(dw.mutable_data<T>(), 0, d, gradients.accumulate_weight);
  }
  if (gradients.dbias.defined()) {
    Tensor db = gradients.dbias;
    sums.write(db.mutable_data<T>(), d, d, gradients.accumulate_bias);
  }
}

}  // namespace tessera::ops
