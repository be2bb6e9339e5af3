#include "tensor/ops/global_norm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/gradcheck.h"
#include "tensor/parallel.h"
#include "tests/ops/reference.h"

namespace tessera::global_norm_test {

TEST_CASE("global norm: against a plain sum") {
  for (const int64_t count : {0, 1, 31, 32, 33, 100003}) {
    const Tensor x = random_normal({count}, 5);
    const double expected = reference::norm(x);
    CHECK(ops::global_norm(x) == doctest::Approx(expected).epsilon(1e-14));
    // Each f32 is off by at most 2^-24 relative, and so is the norm.
    CHECK(ops::global_norm(x.to(DType::f32)) == doctest::Approx(expected).epsilon(6e-8));
  }
}

TEST_CASE("global norm: squares that leave the range of f32, values that are not finite, threads") {
  CHECK(ops::global_norm(Tensor::full({100}, 1e30, DType::f32)) == doctest::Approx(1e31).epsilon(1e-7));
  Tensor x = random_normal({200000}, 6, DType::f32);
  const double norm = ops::global_norm(x);
  const int threads = thread_count();
  set_thread_count(1);
  CHECK(ops::global_norm(x) == norm);
  set_thread_count(threads);
  x.mutable_data<float>()[77777] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(ops::global_norm(x)));
  x.mutable_data<float>()[77777] = -INFINITY;
  CHECK(ops::global_norm(x) == INFINITY);
}

TEST_CASE("global norm: bad input") {
  CHECK_THROWS_WITH(ops::global_norm(Tensor::zeros({2}, DType::i64)),
                    "global_norm: dtype is i64, expected f32, f64 or bf16");
  CHECK_THROWS_WITH(ops::global_norm(Tensor::zeros({2, 3}).transpose(0, 1)), "global_norm: x is not contiguous");
}

}  // namespace tessera::global_norm_test
