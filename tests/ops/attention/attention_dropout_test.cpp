// Dropout of the attention's probabilities.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "tensor/ops/attention/attention.h"
#include "tensor/parallel.h"
#include "tests/ops/marks.h"
#include "tests/tensor/gemm/packed/every_kernel.h"

namespace tessera::attention_dropout_test {

using test::marks;
using test::same_bits;
using test::total;

namespace {

constexpr Ticket kTicket{77, 5, 3};

// m_ij of the op's header: `token` is the query's place in the batch, `key` the key's in its sequence.
double factor(int64_t token, int64_t heads, int64_t head, int64_t key, double p) {
  const auto word = static_cast<uint64_t>(token * heads + head) << 32 | static_cast<uint64_t>(key);
  return kTicket.word(word) >= p * 0x1p32 ? 1 / (1 - p) : 0;
}

// out, dq, dk and dv from the formulas, one query at a time.
std::vector<Tensor> naive(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dout, const Tensor& cu_q,
                          const Tensor& cu_k, const ops::AttentionOptions& options) {
  const int64_t width = q.size(1), heads = options.heads, d = width / heads;
  const double scale = 1 / std::sqrt(static_cast<double>(d));
  Tensor out = Tensor::zeros_like(q), dq = Tensor::zeros_like(q);
  Tensor dk = Tensor::zeros_like(k), dv = Tensor::zeros_like(v);
  const auto mq = cu_q.to_vector<int64_t>(), mk = cu_k.to_vector<int64_t>();
  for (size_t s = 0; s + 1 < mq.size(); ++s)
    for (int64_t i = mq[s]; i < mq[s + 1]; ++i)
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t keys = mk[s + 1] - mk[s], queries = mq[s + 1] - mq[s];
        const int64_t seen = options.causal ? std::clamp<int64_t>(i - mq[s] + 1 + keys - queries, 0, keys) : keys;
        const auto row = [&](auto* data, int64_t token) { return data + token * width + h * d; };
        const auto dot = [&](const double* a, const double* b) {
          double sum = 0;
          for (int64_t c = 0; c < d; ++c) sum += a[c] * b[c];
          return sum;
        };
        const double *query = row(q.data<double>(), i), *cotangent = row(dout.data<double>(), i);
        std::vector<double> p, dp;
        double sum = 0, mean = 0;
        for (int64_t j = 0; j < seen; ++j) {
          p.push_back(std::exp(scale * dot(query, row(k.data<double>(), mk[s] + j))));
          sum += p.back();
        }
        for (int64_t j = 0; j < seen; ++j) {
          const double m = factor(i, heads, h, j, options.p);
          p[static_cast<size_t>(j)] /= sum;
          dp.push_back(m * dot(cotangent, row(v.data<double>(), mk[s] + j)));
          mean += p[static_cast<size_t>(j)] * dp.back();
          for (int64_t c = 0; c < d; ++c) {
            row(out.mutable_data<double>(), i)[c] +=
                m * p[static_cast<size_t>(j)] * row(v.data<double>(), mk[s] + j)[c];
            row(dv.mutable_data<double>(), mk[s] + j)[c] += m * p[static_cast<size_t>(j)] * cotangent[c];
          }
        }
        for (int64_t j = 0; j < seen; ++j)
          for (int64_t c = 0; c < d; ++c) {
            const double ds = scale * p[static_cast<size_t>(j)] * (dp[static_cast<size_t>(j)] - mean);
            row(dq.mutable_data<double>(), i)[c] += ds * row(k.data<double>(), mk[s] + j)[c];
            row(dk.mutable_data<double>(), mk[s] + j)[c] += ds * query[c];
          }
      }
  return {out, dq, dk, dv};
}

std::vector<Tensor> fast(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dout, const Tensor& cu_q,
                         const Tensor& cu_k, const ops::AttentionOptions& options) {
  const auto forward = ops::attention(q, k, v, cu_q, cu_k, options);
  const Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(k), dv = Tensor::empty_like(v);
  ops::attention_backward(dout, q, k, v, forward, cu_q, cu_k, options, dq, dk, dv);
  return {forward.out, dq, dk, dv};
}

double magnitude(const Tensor& x) {
  double most = 0;
  for (const double value : x.to(DType::f64).to_vector<double>()) most = std::max(most, std::abs(value));
  return most;
}

}  // namespace

// In f64 sums of up to 600 terms, in f32 as in attention_test.cpp. In bf16 inputs are what they are and P is not
// rounded, but out is, from which D_i comes where a row has more keys than a block: 2^-8 of an element's own size and
// of its terms'.
TEST_CASE("attention drops the probabilities that its header says, and their gradients") {
  struct Setup {
    std::vector<int64_t> queries, keys;
    int64_t heads, head_size;
    bool causal;
    double p;
  };
  const std::vector<Setup> setups{
      {{5, 1, 0, 7}, {5, 1, 0, 7}, 3, 5, false, 0.4},
      {{33, 26}, {33, 26}, 4, 16, false, 0.1},
      {{3, 4, 0, 2}, {8, 0, 5, 1}, 2, 7, false, 0.5},
      {{3, 6, 2}, {8, 4, 2}, 2, 8, true, 0.9},
      {{270, 2}, {600, 257}, 1, 6, false, 0.1},
      {{300}, {290}, 1, 16, true, 0.3},
      {{}, {}, 2, 4, false, 0.1},
  };
  for (const Setup& setup : setups) {
    CAPTURE(setup.head_size);
    const int64_t width = setup.heads * setup.head_size;
    const Tensor cu_q = marks(setup.queries), cu_k = marks(setup.keys);
    const ops::AttentionOptions options{setup.heads, setup.causal, setup.p, kTicket};
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
      CAPTURE(dtype);
      const auto input = [&](int64_t rows, uint64_t seed) { return random_normal({rows, width}, seed).to(dtype); };
      const Tensor q = input(total(setup.queries), 1), k = input(total(setup.keys), 2), v = input(total(setup.keys), 3);
      const Tensor dout = input(total(setup.queries), 4);
      const auto wide = [](const Tensor& x) { return x.to(DType::f64); };
      const auto expected = naive(wide(q), wide(k), wide(v), wide(dout), cu_q, cu_k, options);
      const auto check_all = [&] {
        const auto got = fast(q, k, v, dout, cu_q, cu_k, options);
        const double rounding = dtype == DType::f64 ? 1e-12 : dtype == DType::f32 ? 1e-5 : 0x1p-6;
        for (size_t i = 0; i < got.size(); ++i) {
          CAPTURE(i);
          CHECK(got[i].dtype() == dtype);
          const double bound = rounding * std::max(1.0, magnitude(expected[i]));
          CHECK(test::largest_difference(wide(got[i]), expected[i]) <= bound);
        }
      };
      if (dtype == DType::bf16)
        with_every_instruction_set(check_all);
      else
        check_all();
    }
  }
}

TEST_CASE("attention's dropout: the same bits on any number of threads and however a batch goes on, and none at p 0") {
  const int before = thread_count();
  const std::vector<int64_t> lengths{47, 1, 33, 0, 20};
  const Tensor cu = marks(lengths), x = random_normal({101, 64}, 1, DType::f32);
  const Tensor dout = random_normal({101, 64}, 2, DType::f32);
  const auto run = [](const Tensor& rows, const Tensor& where, const Tensor& cotangent, double p,
                      const Ticket& ticket) {
    return fast(rows, rows, rows, cotangent, where, where, {4, false, p, ticket});
  };
  set_thread_count(1);
  const auto one = run(x, cu, dout, 0.2, kTicket);
  set_thread_count(3);
  const auto many = run(x, cu, dout, 0.2, kTicket);
  set_thread_count(before);
  const auto first = run(x.narrow(0, 0, 47), marks({47}), dout.narrow(0, 0, 47), 0.2, kTicket);
  const auto without = run(x, cu, dout, 0, kTicket), plain = run(x, cu, dout, 0, {});
  const auto others = run(x, cu, dout, 0.2, {77, 6, 3});
  for (size_t i = 0; i < one.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bits(one[i], many[i]));
    CHECK(same_bits(one[i].narrow(0, 0, 47), first[i]));
    CHECK(same_bits(without[i], plain[i]));
    CHECK_FALSE(same_bits(one[i], without[i]));
    CHECK_FALSE(same_bits(one[i], others[i]));
  }
}

// Probabilities of 1/n, seen through values that are unit vectors. 64 · 64 · 2 draws: the share dropped has a deviation
// of 0.005, and five of them are allowed.
TEST_CASE("attention's dropout: each head and query has a mask of its own, and a share p is dropped") {
  constexpr int64_t n = 64;
  Tensor unit = Tensor::zeros({n, 2 * n});
  for (int64_t j = 0; j < n; ++j)
    for (const int64_t head : {0, 1}) unit.mutable_data<float>()[j * 2 * n + head * n + j] = 1;
  const Tensor none = Tensor::zeros({n, 2 * n}), cu = marks({n});
  const auto out = ops::attention(none, none, unit, cu, cu, {2, false, 0.3, kTicket}).out.to_vector<float>();
  const auto dropped = static_cast<double>(std::count(out.begin(), out.end(), 0.0f));
  CHECK(std::abs(dropped / static_cast<double>(out.size()) - 0.3) < 0.025);
  std::vector<std::vector<float>> rows;
  for (int64_t i = 0; i < 2 * n; ++i) rows.emplace_back(out.begin() + i * n, out.begin() + (i + 1) * n);
  std::sort(rows.begin(), rows.end());
  CHECK(std::adjacent_find(rows.begin(), rows.end()) == rows.end());
  for (const float value : out) CHECK((value == 0 || std::abs(value - 1 / (0.7f * n)) < 1e-7f));
}

TEST_CASE("attention's dropout: a backward with another mask is caught, and p has a range") {
  const Tensor cu = marks({9, 3});
  const auto planted = [&](const Ticket& in_backward) {
    return [&cu, in_backward](std::span<const Variable> x) {
      const Tensor q = x[0].value();
      const auto forward = ops::attention(q, q, q, cu, cu, {1, false, 0.4, kTicket});
      return record("planted", forward.out, {x[0]}, [=](const Tensor& dy, GradSlots) -> Grads {
        const Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(q), dv = Tensor::empty_like(q);
        ops::attention_backward(dy, q, q, q, forward, cu, cu, {1, false, 0.4, in_backward}, dq, dk, dv);
        return {add(add(Variable(dq), Variable(dk)), Variable(dv)).value()};
      });
    };
  };
  CHECK(gradcheck_one(planted(kTicket), {random_normal({12, 4}, 1)}).ok);
  CHECK_FALSE(gradcheck_one(planted({77, 5, 4}), {random_normal({12, 4}, 1)}).ok);
  const Tensor x = Tensor::zeros({12, 4});
  CHECK_THROWS_WITH(ops::attention(x, x, x, cu, cu, {1, false, 1, kTicket}), "attention: p is 1, expected 0 <= p < 1");
  CHECK_THROWS_WITH(cross_attention(Variable(x), Variable(Tensor::zeros({12, 7})), cu, cu, 1),
                    "cross_attention: kv is f32 [12, 7], expected [key tokens, 2 · heads · head size]");
}

}  // namespace tessera::attention_dropout_test
