// What the tests of CUDA kernels share: tensors as arrays of the device, three orders of threads, comparison with CPU
// ops.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tensor/activation.h"
#include "tensor/cuda/device_array.h"
#include "tests/cuda/order.h"
#include "tests/ops/matrix_reference.h"

namespace tessera::test {

using cuda::DeviceArray;

// The elements of a tensor of dtype T, or converted to it.
template <class T>
DeviceArray<T> on_device(const Tensor& x, const std::string& name) {
  return DeviceArray<T>(x.to(dtype_of<T>::value).template to_vector<T>(), name);
}

template <class T>
Tensor from_device(const DeviceArray<T>& array, const Shape& shape) {
  return Tensor::from(array.to_host(), shape);
}

// The results of f, which are the same bits in three orders of threads and blocks; on a GPU, three times.
inline std::vector<Tensor> in_three_orders(const std::function<std::vector<Tensor>()>& f) {
  const uint64_t before = simt::order;
  const std::vector<Tensor> expected = f();
  for (const uint64_t order : {before + 1, before + 2}) {
    simt::order = order;
    const std::vector<Tensor> got = f();
    REQUIRE(got.size() == expected.size());
    for (size_t i = 0; i < got.size(); ++i)
      CHECK_MESSAGE(same_bits(got[i], expected[i]), "result ", i, ", order ", order);
  }
  simt::order = before;
  return expected;
}

// The largest error of an element over what it may be: `arithmetic` times the largest expected magnitude (at least
// `floor`), and of a bf16 result its rounding, 2^-8 of the element. NaN counts as infinite.
inline double error_over_bound(const Tensor& got, const Tensor& expected, double arithmetic, double floor = 1e-3) {
  REQUIRE(got.shape() == expected.shape());
  const std::vector<double> g = values_of(got), e = values_of(expected);
  double scale = floor, most = 0;
  for (const double value : e)
    if (std::isfinite(value)) scale = std::max(scale, std::abs(value));
  const double rounding = got.dtype() == DType::bf16 ? 0x1p-8 : 0;
  for (size_t i = 0; i < g.size(); ++i) {
    if (g[i] == e[i]) continue;
    const double error = std::abs(g[i] - e[i]) / (arithmetic * scale + rounding * std::abs(e[i]));
    most = error <= most ? most : std::isnan(error) ? INFINITY : error;
  }
  return most;
}

#define CHECK_CLOSE(got, expected, arithmetic) CHECK(error_over_bound(got, expected, arithmetic) <= 1)

// Calls f(T{}) for float and bf16.
template <class F>
void for_float_and_bf16(F f) {
  f(float{});
  f(bf16{});
}

// Random values that T holds exactly, so that the reference can take the same ones in f64.
template <class T>
Tensor random_values(const Shape& shape, uint64_t seed) {
  return random_normal(shape, seed, DType::f32).to(dtype_of<T>::value);
}
inline Tensor wide(const Tensor& x) { return x.to(DType::f64); }

}  // namespace tessera::test
