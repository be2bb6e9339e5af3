#include "tensor/ops/attention_bf16.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/ops/attention.h"
#include "tensor/parallel.h"
#include "tests/ops/marks.h"
#include "tests/tensor/products/every_kernel.h"

using namespace tessera;
using test::marks;
using test::total;

namespace {

// What bf16 may be away from f64 on the same inputs, element by element. A result stored in bf16 has the rounding u =
// 2^-8 of its own magnitude. Where P and dS are rounded to bf16 on their way into the second products, each of those
// has u of the sum of its terms' magnitudes, too. Everything else is f32: scores of magnitude up to about 10 from sums
// of 64 terms of relative error 2^-24, which change P by about 2^-18 of it, so 2^-15 of the terms' magnitudes is
// enough. D_i is either such a sum or, for many keys, dout_i · out_i with out rounded.
struct Bounded {
  std::vector<double> value, bound;
};
struct Bf16Reference {
  Bounded out, dq, dk, dv;
};

Bf16Reference bf16_reference(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dout, const Tensor& cu_q,
                             const Tensor& cu_k, int64_t heads, bool causal, bool rounded_factors) {
  constexpr double kRounding = 0x1p-8, kF32 = 0x1p-15;
  const double factor_error = kF32 + (rounded_factors ? kRounding : 0);
  const auto qs = q.to_vector<double>(), ks = k.to_vector<double>(), vs = v.to_vector<double>();
  const auto dos = dout.to_vector<double>();
  const auto mq = cu_q.to_vector<int64_t>(), mk = cu_k.to_vector<int64_t>();
  const int64_t width = q.size(1), d = width / heads;
  const double scale = 1 / std::sqrt(static_cast<double>(d));
  const auto zeros = [](const std::vector<double>& like) {
    return Bounded{std::vector<double>(like.size()), std::vector<double>(like.size())};
  };
  Bf16Reference r{zeros(qs), zeros(qs), zeros(ks), zeros(vs)};
  for (size_t s = 0; s + 1 < mq.size(); ++s)
    for (int64_t i = mq[s]; i < mq[s + 1]; ++i)
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t keys = mk[s + 1] - mk[s], queries = mq[s + 1] - mq[s];
        const int64_t seen = causal ? std::clamp<int64_t>(i - mq[s] + 1 + keys - queries, 0, keys) : keys;
        const auto query = [&](int64_t c) { return static_cast<size_t>(i * width + h * d + c); };
        const auto key = [&](int64_t j, int64_t c) { return static_cast<size_t>((mk[s] + j) * width + h * d + c); };
        std::vector<double> p(static_cast<size_t>(seen)), dp(p), dp_size(p);
        double sum = 0, row_sum = 0, row_size = 0;
        for (int64_t j = 0; j < seen; ++j) {
          double score = 0;
          for (int64_t c = 0; c < d; ++c) score += qs[query(c)] * ks[key(j, c)];
          sum += p[static_cast<size_t>(j)] = std::exp(score * scale);
        }
        for (int64_t j = 0; j < seen; ++j) {
          const auto at = static_cast<size_t>(j);
          p[at] /= sum;
          for (int64_t c = 0; c < d; ++c) {
            r.out.value[query(c)] += p[at] * vs[key(j, c)];
            r.out.bound[query(c)] += factor_error * p[at] * std::abs(vs[key(j, c)]);
            r.dv.value[key(j, c)] += p[at] * dos[query(c)];
            r.dv.bound[key(j, c)] += factor_error * p[at] * std::abs(dos[query(c)]);
            dp[at] += dos[query(c)] * vs[key(j, c)];
            dp_size[at] += std::abs(dos[query(c)] * vs[key(j, c)]);
          }
          row_sum += p[at] * dp[at];
          row_size += p[at] * dp_size[at];
        }
        double row_error = kF32 * row_size;
        for (int64_t c = 0; c < d; ++c) {
          const double value = std::abs(r.out.value[query(c)]);
          r.out.bound[query(c)] += kRounding * value;
          if (keys > 128) row_error += std::abs(dos[query(c)]) * r.out.bound[query(c)];
        }
        for (int64_t j = 0; j < seen; ++j) {
          const auto at = static_cast<size_t>(j);
          const double ds = scale * p[at] * (dp[at] - row_sum);
          const double error = factor_error * std::abs(ds) + scale * p[at] * (row_error + kF32 * (dp_size[at] + row_size));
          for (int64_t c = 0; c < d; ++c) {
            r.dq.value[query(c)] += ds * ks[key(j, c)];
            r.dq.bound[query(c)] += error * std::abs(ks[key(j, c)]);
            r.dk.value[key(j, c)] += ds * qs[query(c)];
            r.dk.bound[key(j, c)] += error * std::abs(qs[query(c)]);
          }
        }
      }
  for (Bounded* x : {&r.dq, &r.dk, &r.dv})
    for (size_t i = 0; i < x->value.size(); ++i) x->bound[i] += kRounding * std::abs(x->value[i]);
  return r;
}

// The largest difference as a part of its bound; infinite where a result is NaN.
double used_part(const Tensor& x, const Bounded& expected) {
  const auto values = x.to(DType::f64).to_vector<double>();
  REQUIRE(values.size() == expected.value.size());
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double difference = std::abs(values[i] - expected.value[i]);
    if (difference == 0) continue;
    worst = difference < 1e30 ? std::max(worst, difference / expected.bound[i]) : INFINITY;
  }
  return worst;
}

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
  const Bf16Reference expected = bf16_reference(wide(q), wide(k), wide(v), wide(dout), cu_q, cu_k, setup.heads, setup.causal,
                                                ops::attention_detail::multiplies_bf16_pairs());
  const auto f64 = ops::attention(wide(q), wide(k), wide(v), cu_q, cu_k, setup.heads, setup.causal);
  CHECK(test::largest_difference(f64.out, Tensor::from(expected.out.value, q.shape())) < 1e-12);

  const auto forward = ops::attention(q, k, v, cu_q, cu_k, setup.heads, setup.causal);
  CHECK(forward.out.dtype() == DType::bf16);
  CHECK(forward.log_sum_exp.dtype() == DType::f32);
  CHECK(used_part(forward.out, expected.out) <= 1);
  CHECK(test::largest_difference(forward.log_sum_exp, f64.log_sum_exp) < 1e-5);
  const Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(k), dv = Tensor::empty_like(v);
  ops::attention_backward(dout, q, k, v, forward, cu_q, cu_k, setup.heads, setup.causal, dq, dk, dv);
  CHECK(used_part(dq, expected.dq) <= 1);
  CHECK(used_part(dk, expected.dk) <= 1);
  CHECK(used_part(dv, expected.dv) <= 1);
}

}  // namespace

TEST_CASE("attention in bf16 is within the bound of its roundings of f64, with products of pairs and with widened rows") {
  const std::vector<Bf16Setup> setups{
      {{5, 1, 0, 7}, {5, 1, 0, 7}, 3, 7, false},  {{33, 26, 40}, {33, 26, 40}, 4, 16, false},
      {{53}, {53}, 2, 32, true},                  {{66, 1, 64}, {66, 1, 64}, 2, 64, false},
      {{3, 4, 0, 2}, {8, 0, 5, 1}, 2, 7, false},  {{3, 6, 2}, {8, 4, 2}, 2, 16, true},
      {{241, 2}, {241, 257}, 2, 64, false},       {{300}, {290}, 1, 16, true},
      {{150, 3}, {600, 3}, 1, 7, true},           {{}, {}, 2, 4, false},
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
    const auto one_query = ops::attention(q, k, v, cu, cu, 1, false);
    const Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(k), dv = Tensor::empty_like(v);
    ops::attention_backward(dout, q, k, v, one_query, cu, cu, 1, false, dq, dk, dv);
    k.select(0, 7).fill_(NAN);
    const auto one_key = ops::attention(normal(1), k, v, cu, cu, 1, false);
    for (const int64_t row : {0, 7, 39}) {
      CHECK(is_nan(one_query.out, row) == (row == 7));
      CHECK(is_nan(dq, row) == (row == 7));
      CHECK(is_nan(dk, row));
      CHECK(is_nan(dv, row));
      CHECK(is_nan(one_key.out, row));
    }
  });
}
