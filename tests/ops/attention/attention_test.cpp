#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "tensor/ops/attention/attention.h"
#include "tensor/parallel.h"
#include "tests/ops/attention/attention_reference.h"
#include "tests/ops/marks.h"

namespace tessera::attention_test {

using test::largest_difference;
using test::marks;
using test::same_bits;
using test::total;

TEST_CASE("attention equals its formula: odd lengths, none, one, several blocks of keys") {
  struct Setup {
    std::vector<int64_t> queries, keys;
    int64_t heads, head_size;
    bool causal;
  };
  const std::vector<Setup> setups{
      {{5, 1, 0, 7}, {5, 1, 0, 7}, 3, 5, false},
      {{33, 26, 40}, {33, 26, 40}, 4, 16, false},
      {{53}, {53}, 2, 32, true},
      {{66, 1}, {66, 1}, 1, 64, false},
      {{3, 4, 0, 2}, {8, 0, 5, 1}, 2, 7, false},
      {{3, 6, 2}, {8, 4, 2}, 2, 8, true},
      {{300, 2}, {600, 257}, 1, 20, false},
      {{300}, {290}, 1, 16, true},
      {{600}, {600}, 1, 3, true},
      {{31, 1, 0, 150}, {31, 1, 0, 270}, 2, 19, true},
      {{}, {}, 2, 4, false},
  };
  for (const Setup& setup : setups) {
    CAPTURE(setup.head_size);
    const int64_t width = setup.heads * setup.head_size;
    const Tensor q = random_normal({total(setup.queries), width}, 1), k = random_normal({total(setup.keys), width}, 2);
    const Tensor v = random_normal({total(setup.keys), width}, 3);
    const Tensor cu_q = marks(setup.queries), cu_k = marks(setup.keys);
    const auto expected = reference::attention(q, k, v, cu_q, cu_k, setup.heads, setup.causal);
    const auto f64 = ops::attention(q, k, v, cu_q, cu_k, {setup.heads, setup.causal});
    // Sums of up to 600 terms of order one in f64: 600 · 2^-53 = 7e-14.
    CHECK(largest_difference(f64.out, expected.out) < 1e-12);
    CHECK(largest_difference(f64.log_sum_exp, expected.log_sum_exp) < 1e-12);
    const auto f32 =
        ops::attention(q.to(DType::f32), k.to(DType::f32), v.to(DType::f32), cu_q, cu_k, {setup.heads, setup.causal});
    // Scores up to about 10 with relative error 1e-7 each change a weight by 1e-6 of it.
    CHECK(largest_difference(f32.out, expected.out) < 1e-5);
    CHECK(largest_difference(f32.log_sum_exp, expected.log_sum_exp) < 1e-5);
  }
}

TEST_CASE("attention gradients: gradcheck over separate and fused inputs") {
  const Tensor cu_q = marks({3, 1, 0, 4}), cu_k = marks({5, 2, 1, 3});
  for (const bool causal : {false, true}) {
    const std::vector<Tensor> inputs{random_normal({8, 6}, 1), random_normal({11, 6}, 2), random_normal({11, 6}, 3)};
    const auto report = gradcheck_one(
        [&](std::span<const Variable> x) { return attention(x[0], x[1], x[2], cu_q, cu_k, 2, causal); }, inputs);
    CHECK_MESSAGE(report.ok, report.message());
    const auto fused = gradcheck_one([&](std::span<const Variable> x) { return self_attention(x[0], cu_k, 2, causal); },
                                     {random_normal({11, 18}, 4)});
    CHECK_MESSAGE(fused.ok, fused.message());
  }
  // Several tiles of queries and blocks of keys.
  const Tensor cu = marks({150, 17});
  for (const bool causal : {false, true}) {
    GradcheckOptions options;
    options.directions = 4;
    const auto report = gradcheck_one([&](std::span<const Variable> x) { return self_attention(x[0], cu, 2, causal); },
                                      {random_normal({167, 30}, 5)}, options);
    CHECK_MESSAGE(report.ok, report.message());
  }
}

// More keys than one block has: fewer, and the sums are taken from the tile instead of from the output.
TEST_CASE("attention gradients: a backward without the row sums D is caught") {
  const Tensor cu = marks({150, 3});
  const auto planted = [&](std::span<const Variable> x) {
    const Tensor q = x[0].value(), k = x[1].value(), v = x[2].value();
    const auto forward = ops::attention(q, k, v, cu, cu, {1, false});
    return record("planted", forward.out, {x[0], x[1], x[2]}, [=](const Tensor& dy, GradSlots) -> Grads {
      const Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(k), dv = Tensor::empty_like(v);
      const ops::AttentionResult without{Tensor::zeros_like(forward.out), forward.log_sum_exp};
      ops::attention_backward(dy, q, k, v, without, cu, cu, {1, false}, dq, dk, dv);
      return {dq, dk, dv};
    });
  };
  CHECK_FALSE(
      gradcheck_one(planted, {random_normal({153, 4}, 1), random_normal({153, 4}, 2), random_normal({153, 4}, 3)}).ok);
}

TEST_CASE(
    "attention reads strided views in place and gives the same bits at any number of threads, alone or in a batch") {
  DType dtype = DType::f32;
  SUBCASE("f32") {}
  SUBCASE("bf16") { dtype = DType::bf16; }
  const int before = thread_count();
  const std::vector<int64_t> lengths{33, 1, 47, 0, 20};
  const Tensor cu = marks(lengths), qkv = random_normal({101, 3 * 64}, 1).to(dtype);
  const Tensor dy = random_normal({101, 64}, 2).to(dtype);
  const auto run = [&](const Tensor& x, const Tensor& where, const Tensor& cotangent) {
    const Variable leaf(x, true);
    const Variable y = self_attention(leaf, where, 4);
    CHECK(y.value().dtype() == x.dtype());
    y.backward(cotangent);
    return std::pair{y.value(), leaf.grad()};
  };
  set_thread_count(1);
  const auto one = run(qkv, cu, dy);
  for (const int threads : {2, 3}) {
    set_thread_count(threads);
    const auto many = run(qkv, cu, dy);
    CHECK(same_bits(one.first, many.first));
    CHECK(same_bits(one.second, many.second));
  }
  set_thread_count(before);
  const auto alone = run(qkv.narrow(0, 34, 47).clone(), marks({47}), dy.narrow(0, 34, 47).clone());
  CHECK(same_bits(alone.first, one.first.narrow(0, 34, 47)));
  CHECK(same_bits(alone.second, one.second.narrow(0, 34, 47)));

  const auto part = [&](int64_t i) { return qkv.narrow(1, 64 * i, 64); };
  const auto views = ops::attention(part(0), part(1), part(2), cu, cu, {4, false});
  const auto copies = ops::attention(part(0).clone(), part(1).clone(), part(2).clone(), cu, cu, {4, false});
  const auto columns =
      ops::attention(part(0).transpose(0, 1).clone().transpose(0, 1), part(1), part(2), cu, cu, {4, false});
  CHECK(same_bits(views.out, copies.out));
  CHECK(same_bits(views.out, columns.out));
  CHECK(same_bits(views.out, one.first));
}

TEST_CASE("attention: narrow heads of f32 are those of f64, rounded once") {
  const Tensor cu_q = marks({5, 1, 0, 30}), cu_k = marks({7, 2, 1, 30});
  for (const int64_t head_size : {1, 7, 15})
    for (const bool causal : {false, true}) {
      CAPTURE(head_size);
      const int64_t heads = 3, width = heads * head_size;
      const auto f32 = [&](int64_t rows, uint64_t seed) { return random_normal({rows, width}, seed, DType::f32); };
      const Tensor q = f32(36, 1), k = f32(40, 2), v = f32(40, 3), dout = f32(36, 4);
      const auto wide = [](const Tensor& x) { return x.to(DType::f64); };
      const ops::AttentionOptions options{heads, causal};
      const auto got = ops::attention(q, k, v, cu_q, cu_k, options);
      const auto expected = ops::attention(wide(q), wide(k), wide(v), cu_q, cu_k, options);
      CHECK(same_bits(got.out, expected.out.to(DType::f32)));
      CHECK(same_bits(got.log_sum_exp, expected.log_sum_exp.to(DType::f32)));
      const Tensor gradients[] = {Tensor::empty_like(q), Tensor::empty_like(k), Tensor::empty_like(v)};
      const Tensor exact[] = {wide(gradients[0]), wide(gradients[1]), wide(gradients[2])};
      ops::attention_backward(dout, q, k, v, got, cu_q, cu_k, options, gradients[0], gradients[1], gradients[2]);
      ops::attention_backward(wide(dout), wide(q), wide(k), wide(v), expected, cu_q, cu_k, options, exact[0], exact[1],
                              exact[2]);
      // Half a unit of the last place; log_sum_exp as it was rounded divides out again, to f64's precision.
      for (int i = 0; i < 3; ++i) {
        const std::vector<double> a = wide(gradients[i]).to_vector<double>(), b = exact[i].to_vector<double>();
        for (size_t j = 0; j < a.size(); ++j) CHECK(std::fabs(a[j] - b[j]) <= 0.51 * 1.2e-7 * std::fabs(b[j]) + 1e-13);
      }
    }
}

TEST_CASE("attention: scores beyond exp's range, and queries that see nothing") {
  // One key far above the others: the output is its value.
  const Tensor q = Tensor::full({1, 2}, 1e3), k = Tensor::from(std::vector<float>{1, 1, 9, 9, -5, 3}, {3, 2});
  const Tensor v = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2});
  const auto sure = ops::attention(q, k, v, marks({1}), marks({3}), {1, false});
  CHECK(sure.out.to_vector<float>() == std::vector<float>{3, 4});
  // Causal with 3 queries and 1 key: only the last query sees it.
  const Tensor x = random_normal({3, 4}, 1, DType::f32), y = random_normal({1, 4}, 2, DType::f32);
  const auto late = ops::attention(x, y, y, marks({3}), marks({1}), {2, true});
  CHECK(late.log_sum_exp.to_vector<float>()[0] == -std::numeric_limits<float>::infinity());
  CHECK(same_bits(late.out.narrow(0, 2, 1), y));
  CHECK(late.out.narrow(0, 0, 2).to_vector<float>() == std::vector<float>(8, 0.0f));
  Tensor dx = Tensor::full({3, 4}, 7), dk = Tensor::full({1, 4}, 7), dv = Tensor::full({1, 4}, 7);
  ops::attention_backward(x, x, y, y, late, marks({3}), marks({1}), {2, true}, dx, dk, dv);
  CHECK(dx.narrow(0, 0, 2).to_vector<float>() == std::vector<float>(8, 0.0f));
  CHECK(same_bits(dv, x.narrow(0, 2, 1)));
}

TEST_CASE("attention_weights are the probabilities, per head and on average") {
  const Tensor cu = marks({3, 0, 30}), qkv = random_normal({33, 3 * 10}, 1, DType::f32);
  const auto mean = ops::attention_weights(qkv, cu, 2);
  const auto first = ops::attention_weights(qkv, cu, 2, 0), second = ops::attention_weights(qkv, cu, 2, 1);
  REQUIRE(mean.shape() == Shape{9 + 900});
  const auto m = mean.to_vector<float>(), a = first.to_vector<float>(), b = second.to_vector<float>();
  for (size_t i = 0; i < m.size(); ++i) CHECK(m[i] == doctest::Approx((a[i] + b[i]) / 2).epsilon(1e-5));
  // Rows sum to 1, and the weighted values are attention's output.
  const auto out =
      ops::attention(qkv.narrow(1, 0, 10), qkv.narrow(1, 10, 10), qkv.narrow(1, 20, 10), cu, cu, {2, false}).out;
  const auto outs = out.to_vector<float>(), values = qkv.narrow(1, 20, 10).to_vector<float>();
  for (size_t i = 0; i < 30; ++i) {
    double sum = 0, weighted = 0;
    for (size_t j = 0; j < 30; ++j) {
      sum += static_cast<double>(b[9 + i * 30 + j]);
      weighted += static_cast<double>(b[9 + i * 30 + j]) * static_cast<double>(values[(3 + j) * 10 + 7]);
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-5));
    CHECK(weighted == doctest::Approx(outs[(3 + i) * 10 + 7]).epsilon(1e-4));
  }
  // In bf16: the weights of the widened values, bit for bit.
  const Tensor rounded = qkv.to(DType::bf16);
  const auto of_bf16 = ops::attention_weights(rounded, cu, 2),
             of_f32 = ops::attention_weights(rounded.to(DType::f32), cu, 2);
  CHECK(of_bf16.dtype() == DType::f32);
  CHECK(same_bits(of_bf16, of_f32));
  CHECK_THROWS_WITH(ops::attention_weights(qkv, cu, 2, 2),
                    "attention_weights: head is 2, expected -1 (mean) or less than 2");
  CHECK_THROWS_WITH(ops::attention_weights(qkv, cu, 7), "attention_weights: width 30 does not divide into 3 · 7 heads");
}

TEST_CASE("attention: what bad input gets") {
  const Tensor x = Tensor::zeros({4, 6}), cu = marks({4});
  const auto call = [&](const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& a, const Tensor& b,
                        int64_t heads) {
    ops::attention(q, k, v, a, b, {heads, false});
  };
  CHECK_THROWS_WITH(call(Tensor::zeros({4}), x, x, cu, cu, 2),
                    "attention: q is f32 [4], expected [query tokens, heads · head size]");
  CHECK_THROWS_WITH(call(x, x, x, cu, cu, 4), "attention: width 6 does not divide into 4 heads");
  CHECK_THROWS_WITH(call(x, Tensor::zeros({4, 5}), x, cu, cu, 2),
                    "attention: k is f32 [4, 5], expected [key tokens, 6]");
  CHECK_THROWS_WITH(call(x, x, Tensor::zeros({3, 6}), cu, cu, 2),
                    "attention: v is f32 [3, 6], expected k's shape [4, 6]");
  CHECK_THROWS_WITH(call(x, x, x.to(DType::f64), cu, cu, 2),
                    "attention: q, k and v are f32, f32 and f64, expected one dtype");
  CHECK_THROWS_WITH(call(x, x, x, marks({3}), cu, 2),
                    "attention: cu_queries ends at 3, expected the number of rows, 4");
  CHECK_THROWS_WITH(call(x, x, x, cu, marks({2, 2}), 2), "attention: cu_queries marks 1 sequences, cu_keys 2");
  CHECK_THROWS_WITH(call(x, x, x, Tensor::from(std::vector<int64_t>{0, 5, 4}), marks({2, 2}), 2),
                    "attention: cu_queries[2] is 4, less than 5 before it");
  CHECK_THROWS_WITH(call(x, x, x, Tensor::from(std::vector<int64_t>{1, 4}), cu, 2),
                    "attention: cu_queries[0] is 1, expected 0");
  CHECK_THROWS_WITH(call(x, x, x, x, cu, 2), "attention: cu_queries is f32 [4, 6], expected i64 [sequences + 1]");
  CHECK_THROWS_WITH(self_attention(Variable(Tensor::zeros({4, 7})), cu, 1),
                    "self_attention: qkv is f32 [4, 7], expected [tokens, 3 · heads · head size]");
  CHECK_THROWS_WITH(call(x.to(DType::i64), x.to(DType::i64), x.to(DType::i64), cu, cu, 2),
                    "attention: dtype is i64, expected f32, f64 or bf16");
}

}  // namespace tessera::attention_test
