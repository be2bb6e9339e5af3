#include "tensor/ops/attention/attention_bf16.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/ops/attention/attention.h"
#include "tensor/parallel.h"
#include "tests/ops/attention/attention_reference.h"
#include "tests/ops/marks.h"
#include "tests/tensor/gemm/packed/every_kernel.h"

namespace tessera::attention_bf16_test {

using reference::used_part;
using test::marks;
using test::total;

namespace {

struct Bf16Setup {
  std::vector<int64_t> queries, keys;
  int64_t heads, head_size;
  bool causal;
};

// Forward and backward with the kernels in use.
void check_bf16(const Bf16Setup& setup) {
  CAPTURE(setup.head_size);
  CAPTURE(total(setup.keys));
  const int64_t width = setup.heads * setup.head_size;
  const auto input = [&](int64_t rows, uint64_t seed) { return random_normal({rows, width}, seed).to(DType::bf16); };
  const Tensor q = input(total(setup.queries), 1), k = input(total(setup.keys), 2), v = input(total(setup.keys), 3);
  const Tensor dout = input(total(setup.queries), 4), cu_q = marks(setup.queries), cu_k = marks(setup.keys);
  const auto wide = [](const Tensor& x) { return x.to(DType::f64); };
  const auto expected = reference::attention_bf16(wide(q), wide(k), wide(v), wide(dout), cu_q, cu_k, setup.heads,
                                                  setup.causal, ops::attention_detail::multiplies_bf16_pairs(), 128);
  const auto f64 = ops::attention(wide(q), wide(k), wide(v), cu_q, cu_k, {setup.heads, setup.causal});
  CHECK(test::largest_difference(f64.out, expected.out.value) < 1e-12);

  const auto forward = ops::attention(q, k, v, cu_q, cu_k, {setup.heads, setup.causal});
  CHECK(forward.out.dtype() == DType::bf16);
  CHECK(forward.log_sum_exp.dtype() == DType::f32);
  CHECK(used_part(forward.out, expected.out) <= 1);
  CHECK(test::largest_difference(forward.log_sum_exp, f64.log_sum_exp) < 1e-5);
  const Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(k), dv = Tensor::empty_like(v);
  ops::attention_backward(dout, q, k, v, forward, cu_q, cu_k, {setup.heads, setup.causal}, dq, dk, dv);
  CHECK(used_part(dq, expected.dq) <= 1);
  CHECK(used_part(dk, expected.dk) <= 1);
  CHECK(used_part(dv, expected.dv) <= 1);
}

}  // namespace

TEST_CASE(
    "attention in bf16 is within the bound of its roundings of f64, with products of pairs and with widened rows") {
  const std::vector<Bf16Setup> setups{
      {{5, 1, 0, 7}, {5, 1, 0, 7}, 3, 7, false},
      {{33, 26, 40}, {33, 26, 40}, 4, 16, false},
      {{53}, {53}, 2, 32, true},
      {{66, 1, 64}, {66, 1, 64}, 2, 64, false},
      {{3, 4, 0, 2}, {8, 0, 5, 1}, 2, 7, false},
      {{3, 6, 2}, {8, 4, 2}, 2, 16, true},
      {{241, 2}, {241, 257}, 2, 64, false},
      {{300}, {290}, 1, 16, true},
      {{150, 3}, {600, 3}, 1, 7, true},
      {{}, {}, 2, 4, false},
  };
  with_every_instruction_set([&] {
    for (const Bf16Setup& setup : setups) check_bf16(setup);
  });
  const int threads = thread_count();
  set_thread_count(1);
  with_emulated_tiles([&] {
    for (const Bf16Setup& setup : setups) check_bf16(setup);
  });
  set_thread_count(threads);
}

TEST_CASE("attention in bf16: what is not a number stays so, with every kernel") {
  const Tensor cu = marks({40});
  const auto normal = [](uint64_t seed) { return random_normal({40, 16}, seed).to(DType::bf16); };
  const auto is_nan = [](const Tensor& x, int64_t row) {
    for (const double value : x.select(0, row).to(DType::f64).to_vector<double>())
      if (!std::isnan(value)) return false;
    return true;
  };
  with_every_instruction_set([&] {
    Tensor q = normal(1), k = normal(2);
    const Tensor v = normal(3), dout = normal(4);
    q.select(0, 7).fill_(NAN);
    const auto one_query = ops::attention(q, k, v, cu, cu, {1, false});
    const Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(k), dv = Tensor::empty_like(v);
    ops::attention_backward(dout, q, k, v, one_query, cu, cu, {1, false}, dq, dk, dv);
    k.select(0, 7).fill_(NAN);
    const auto one_key = ops::attention(normal(1), k, v, cu, cu, {1, false});
    for (const int64_t row : {0, 7, 39}) {
      CHECK(is_nan(one_query.out, row) == (row == 7));
      CHECK(is_nan(dq, row) == (row == 7));
      CHECK(is_nan(dk, row));
      CHECK(is_nan(dv, row));
      CHECK(is_nan(one_key.out, row));
    }
  });
}

}  // namespace tessera::attention_bf16_test
