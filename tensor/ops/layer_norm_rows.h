// Rows of layer_norm and of dropout_add_layer_norm on a CPU, and what both ops check.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "tensor/cuda/memory.h"
#include "tensor/ops/layer_norm_kernels.h"
#include "tensor/ops/parameter_gradients.h"
#include "tensor/ops/row_sums.h"
#include "tensor/simd/reductions.h"

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
void normalise_row(const X* x, const T* w, const T* b, X* y, int64_t d, T eps, T* mean, T& rstd) {
  const T count = static_cast<T>(d);
  const T m = simd::sums_over<T, 1>(d, [&](auto load, int64_t i, auto& sums) { sums[0] += load(x + i); })[0] / count;
  const auto [rest, squares] = simd::sums_over<T, 2>(d, [&](auto load, int64_t i, auto& sums) {
    const auto centred = load(x + i) - m;
    sums[0] += centred;
    sums[1] += centred * centred;
  });
  const T low = rest / count;
  const T variance = std::max(squares / count - low * low, T{0});
  const T r = T{1} / std::sqrt(variance + eps);
  simd::for_row<T>(
      d, [&](auto load, int64_t i) { simd::store(y + i, ((load(x + i) - m) - low) * r * load(w + i) + load(b + i)); });
  mean[0] = m;
  mean[1] = low;
  rstd = r;
}

// Adds dy x̂ and dy to the partial sums dw and db, and calls write(load, i, dx) with the gradient at each position.
template <class X, class T, class Write>
void normalise_row_backward(const X* dy, const X* x, const T* w, const T* mean, T rstd, int64_t d, T* dw, T* db,
                            Write&& write) {
  const T high = mean[0], low = mean[1];
  const auto [sum, projection] = simd::sums_over<T, 2>(d, [&](auto load, int64_t i, auto& sums) {
    const auto dy_i = load(dy + i);
    const auto normalised = ((load(x + i) - high) - low) * rstd;
    const auto g = dy_i * load(w + i);
    sums[0] += g;
    sums[1] += g * normalised;
    simd::store(dw + i, load(dw + i) + dy_i * normalised);
    simd::store(db + i, load(db + i) + dy_i);
  });
  const T mean_g = sum / static_cast<T>(d), mean_projection = projection / static_cast<T>(d);
  simd::for_row<T>(d, [&](auto load, int64_t i) {
    const auto normalised = ((load(x + i) - high) - low) * rstd;
    write(load, i, rstd * (load(dy + i) * load(w + i) - mean_g - normalised * mean_projection));
  });
}

// Calls f(W{}) with the type in which rows of d elements of T are computed: f64 for narrow rows of f32 (layer_norm.h).
inline constexpr int64_t kNarrowRow = 48;
template <class T, class F>
void dispatch_row(int64_t d, F&& f) {
  if constexpr (std::is_same_v<T, float>)
    if (d <= kNarrowRow) return f(double{});
  f(Arithmetic<T>{});
}

// normalise_row in type W.
template <class W, class X, class Y, class A>
void forward_row(const X* x, const A* w, const A* b, Y* y, int64_t d, double eps, A* mean, A& rstd) {
  if constexpr (std::is_same_v<W, A>) {
    normalise_row(x, w, b, y, d, static_cast<A>(eps), mean, rstd);
  } else {
    W row[kNarrowRow]{}, scale[kNarrowRow]{}, shift[kNarrowRow]{}, parts[2], deviation;
    convert_row(x, row, d);
    convert_row(w, scale, d);
    convert_row(b, shift, d);
    normalise_row(row, scale, shift, row, d, eps, parts, deviation);
    convert_row(row, y, d);
    mean[0] = static_cast<A>(parts[0]);
    mean[1] = static_cast<A>(parts[0] - static_cast<W>(mean[0]) + parts[1]);
    rstd = static_cast<A>(deviation);
  }
}

// normalise_row_backward in type W, which is that of the partial sums.
template <class W, class X, class A, class Write>
void backward_row(const X* dy, const X* x, const A* w, const A* mean, A rstd, int64_t d, W* dw, W* db, Write&& write) {
  if constexpr (std::is_same_v<W, A>) {
    normalise_row_backward(dy, x, w, mean, rstd, d, dw, db, write);
  } else {
    W gradient[kNarrowRow]{}, row[kNarrowRow]{}, scale[kNarrowRow]{}, dx[kNarrowRow]{};
    const W parts[2] = {static_cast<W>(mean[0]), static_cast<W>(mean[1])};
    convert_row(dy, gradient, d);
    convert_row(x, row, d);
    convert_row(w, scale, d);
    normalise_row_backward(gradient, row, scale, parts, static_cast<W>(rstd), d, dw, db,
                           [&](auto, int64_t i, const auto& value) { simd::store(dx + i, value); });
    for (int64_t i = 0; i < d; ++i) write(simd::LoadScalar{}, i, dx[i]);
  }
}

// Checks the places for the gradients and writes them from the partial sums [dw | db].
template <class A, class W>
void write_norm_gradients(const RowSums<W>& sums, const ParameterGradients& gradients, int64_t d) {
  if (gradients.dweight.defined()) {
    Tensor dw = gradients.dweight;
    sums.write(dw.mutable_data<A>(), 0, d, gradients.accumulate_weight);
  }
  if (gradients.dbias.defined()) {
    Tensor db = gradients.dbias;
    sums.write(db.mutable_data<A>(), d, d, gradients.accumulate_bias);
  }
}

inline cuda::ParameterTargets parameter_targets(const ParameterGradients& gradients) {
  Tensor dweight = gradients.dweight, dbias = gradients.dbias;
  return {cuda::mutable_data_or_null<float>(dweight), cuda::mutable_data_or_null<float>(dbias),
          gradients.accumulate_weight, gradients.accumulate_bias};
}

}  // namespace tessera::ops
