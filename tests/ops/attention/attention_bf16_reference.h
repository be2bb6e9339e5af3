// Attention in f64, and element by element what a bf16 kernel may be away from it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/ops/marks.h"

namespace tessera::test {

// What bf16 may be away from f64 on the same inputs, element by element. A result stored in bf16 has the rounding u =
// 2^-8 of its own magnitude. Where P and dS are rounded to bf16 on their way into the second products, each of those
// has u of the sum of its terms' magnitudes, too. Everything else is f32: scores of magnitude up to about 10 from sums
// of 64 terms of relative error 2^-24, which change P by about 2^-18 of it, so 2^-15 of the terms' magnitudes is
// enough. D_i is either such a sum or, for more than `most_whole_keys` keys, dout_i · out_i with out rounded.
struct Bounded {
  std::vector<double> value, bound;
};
struct Bf16Reference {
  Bounded out, dq, dk, dv;
};

inline Bf16Reference bf16_reference(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dout,
                                    const Tensor& cu_q, const Tensor& cu_k, int64_t heads, bool causal,
                                    bool rounded_factors, int64_t most_whole_keys) {
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
          if (keys > most_whole_keys) row_error += std::abs(dos[query(c)]) * r.out.bound[query(c)];
        }
        for (int64_t j = 0; j < seen; ++j) {
          const auto at = static_cast<size_t>(j);
          const double ds = scale * p[at] * (dp[at] - row_sum);
          const double error =
              factor_error * std::abs(ds) + scale * p[at] * (row_error + kF32 * (dp_size[at] + row_size));
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
inline double used_part(const Tensor& x, const Bounded& expected) {
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

}  // namespace tessera::test
