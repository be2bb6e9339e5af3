// Comparisons, views and gradients for the tests of matrix products, normalisation and dropout.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <vector>

#include "tensor/parallel.h"
#include "tests/ops/op_check.h"

namespace tessera::test {

// The elements in f64, row-major.
inline std::vector<double> values_of(const Tensor& x) { return x.to(DType::f64).to_vector<double>(); }

// max |a - b| over max |b|, the shapes being equal. NaN counts as infinite.
inline double relative_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const std::vector<double> left = values_of(a), right = values_of(b);
  double difference = 0, largest = 1e-30;
  for (size_t i = 0; i < left.size(); ++i) {
    const double d = std::fabs(left[i] - right[i]);
    difference = d <= difference ? difference : std::isnan(d) ? INFINITY : d;
    largest = std::max(largest, std::fabs(right[i]));
  }
  return difference / largest;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  const Tensor left = a.contiguous(), right = b.contiguous();
  const auto bytes = [](const Tensor& x) {
    return static_cast<const char*>(x.storage()->data()) + x.offset() * size_of(x.dtype());
  };
  return left.numel() == 0 || std::memcmp(bytes(left), bytes(right), static_cast<size_t>(left.bytes())) == 0;
}

// True if f gives the same bits on 1, 2 and 3 threads.
inline bool same_on_any_number_of_threads(const std::function<std::vector<Tensor>()>& f) {
  const int before = thread_count();
  bool same = true;
  set_thread_count(1);
  const std::vector<Tensor> expected = f();
  for (const int threads : {2, 3}) {
    set_thread_count(threads);
    const std::vector<Tensor> got = f();
    same &= got.size() == expected.size();
    for (size_t i = 0; same && i < got.size(); ++i) same &= same_bits(got[i], expected[i]);
  }
  set_thread_count(before);
  return same;
}

// The same values with gaps between rows: a view of a wider tensor.
inline Tensor with_gaps(const Tensor& x) {
  Shape wide = x.shape();
  const int last = x.dim() - 1;
  wide[last] += 3;
  Tensor view = Tensor::full(wide, 1e9, x.dtype(), x.device()).narrow(last, 2, x.size(-1));
  view.copy_(x);
  return view;
}

// The same values, laid out column by column.
inline Tensor by_columns(const Tensor& x) { return x.transpose(-1, -2).contiguous().transpose(-1, -2); }

// Gradients of Σ cotangent · f(inputs) for every input, through the tape.
inline std::vector<Tensor> gradients(const std::function<Variable(std::span<const Variable>)>& f,
                                     const std::vector<Tensor>& inputs, const Tensor& cotangent) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) leaves.emplace_back(input, true);
  f(leaves).backward(cotangent);
  std::vector<Tensor> grads;
  for (const Variable& leaf : leaves) grads.push_back(leaf.grad());
  return grads;
}

}  // namespace tessera::test
