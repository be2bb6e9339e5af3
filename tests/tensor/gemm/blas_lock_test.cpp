#include "tensor/gemm/blas_lock.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include "tensor/gemm/gemm.h"
#include "tensor/philox.h"

namespace tessera::blas_lock_test {

TEST_CASE("blas: products of several threads do not share a buffer") {
  // Linked as the build does it, nothing needs to wait for a whole product of another thread.
  CHECK(detail::blas_safety() != detail::BlasSafety::product);

  constexpr int64_t kRows = 100, kSize = 64;
  constexpr int kThreads = 4, kRepetitions = 8000;
  std::atomic<int> wrong{0};
  const auto work = [&](int thread) {
    Random random(1, thread);
    std::vector<float> a(kRows * kSize), b(kSize * kSize), first(kRows * kSize), c(kRows * kSize);
    for (float& x : a) x = static_cast<float>(random.normal());
    for (float& x : b) x = static_cast<float>(random.normal());
    Gemm<float> product{.m = kRows,
                        .n = kSize,
                        .k = kSize,
                        .a = a.data(),
                        .lda = kSize,
                        .b = b.data(),
                        .ldb = kSize,
                        .c = first.data(),
                        .ldc = kSize};
    // Against a loop once (sums of 64 terms of order one: rounding below 1e-4), and against itself ever after.
    gemm(product);
    for (int64_t i = 0; i < kRows * kSize; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < kSize; ++k)
        sum += static_cast<double>(a[i / kSize * kSize + k]) * static_cast<double>(b[k * kSize + i % kSize]);
      if (!(std::abs(sum - static_cast<double>(first[i])) < 1e-4)) ++wrong;
    }
    product.c = c.data();
    for (int i = 0; i < kRepetitions; ++i) {
      gemm(product);
      if (c != first) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

}  // namespace tessera::blas_lock_test
