#include "tensor/ops/gru.h"

#include "tests/ops/marks.h"

namespace tessera::gru_test {

using namespace tessera::test;

namespace {

struct Inputs {
  Variable x, weight_ih, weight_hh, bias_ih, bias_hh, h0;

  Inputs(int64_t tokens, int64_t in, int64_t hidden, int64_t sequences, DType dtype)
      : x(random_normal({tokens, in}, 1, dtype), true),
        weight_ih(random_normal({3 * hidden, in}, 2, dtype), true),
        weight_hh(random_normal({3 * hidden, hidden}, 3, dtype), true),
        bias_ih(random_normal({3 * hidden}, 4, dtype), true),
        bias_hh(random_normal({3 * hidden}, 5, dtype), true),
        h0(random_normal({sequences, hidden}, 6, dtype), true) {}

  std::vector<Variable> all() const { return {x, weight_ih, weight_hh, bias_ih, bias_hh, h0}; }
  Gru run(const Tensor& cu_seqlens, bool reverse) const {
    return gru(x, weight_ih, weight_hh, bias_ih, bias_hh, cu_seqlens, h0, reverse);
  }
};

// The specification: one sequence after another, step by step, of plain ops.
Gru composed(const Inputs& in, const std::vector<int64_t>& lengths, bool reverse) {
  const int64_t hidden = in.weight_hh.size(1);
  std::vector<Variable> rows(static_cast<size_t>(in.x.size(0))), last;
  int64_t begin = 0;
  for (size_t s = 0; s < lengths.size(); begin += lengths[s++]) {
    Variable h = narrow(in.h0, 0, static_cast<int64_t>(s), 1);
    for (int64_t step = 0; step < lengths[s]; ++step) {
      const int64_t token = begin + (reverse ? lengths[s] - 1 - step : step);
      const Variable g = linear(narrow(in.x, 0, token, 1), in.weight_ih, in.bias_ih);
      const Variable a = linear(h, in.weight_hh, in.bias_hh);
      const auto part = [&](const Variable& v, int64_t k) { return narrow(v, 1, k * hidden, hidden); };
      const Variable r = sigmoid(part(g, 0) + part(a, 0)), z = sigmoid(part(g, 1) + part(a, 1));
      const Variable n = tanh(part(g, 2) + r * part(a, 2));
      h = n - z * n + z * h;
      rows[static_cast<size_t>(token)] = h;
    }
    last.push_back(h);
  }
  return {concatenate(rows, 0), concatenate(last, 0)};
}

}  // namespace

// States are at most 1 beside h0, of which a few steps are left; each step adds a few roundings of its own, and those
// before it are damped by z. Gradients sum over all tokens.
TEST_CASE("gru equals its composition: ragged, empty and single sequences, both directions") {
  const std::vector<std::vector<int64_t>> batches = {{1}, {5}, {2, 0, 4, 1, 4}, {0, 3}, {7, 7, 7}, {1, 1, 9, 2, 5, 1}};
  for (const std::vector<int64_t>& lengths : batches)
    for (const int64_t hidden : {1, 3, 40})
      for (const bool reverse : {false, true})
        for (const DType dtype : {DType::f64, DType::f32}) {
          CAPTURE(lengths.size());
          CAPTURE(hidden);
          CAPTURE(reverse);
          const Tensor cu = marks(lengths);
          const auto sequences = static_cast<int64_t>(lengths.size()), tokens = cu.to_vector<int64_t>().back();
          const Inputs a(tokens, 4, hidden, sequences, dtype), b(tokens, 4, hidden, sequences, dtype);
          const Gru got = a.run(cu, reverse), expected = composed(b, lengths, reverse);
          const double bound = dtype == DType::f32 ? 2e-5 : 1e-12;
          CHECK(relative_difference(got.output.value(), expected.output.value()) <= bound);
          CHECK(relative_difference(got.last.value(), expected.last.value()) <= bound);
          const std::vector<Tensor> cotangents{random_normal({tokens, hidden}, 7, dtype),
                                               random_normal({sequences, hidden}, 8, dtype)};
          backward(std::vector<Variable>{got.output, got.last}, cotangents);
          backward(std::vector<Variable>{expected.output, expected.last}, cotangents);
          for (size_t i = 0; i < 6; ++i) {
            CAPTURE(i);
            CHECK(relative_difference(a.all()[i].grad(), b.all()[i].grad()) <= bound);
          }
        }
}

TEST_CASE("gru: the last state is the output at the last step; a sequence of a batch is as alone") {
  const Tensor cu = marks({3, 1, 4});
  const Inputs in(8, 2, 5, 3, DType::f64);
  const Gru forward = in.run(cu, false), reverse = in.run(cu, true);
  for (const auto& [s, first, end] : std::vector<std::array<int64_t, 3>>{{0, 0, 2}, {1, 3, 3}, {2, 4, 7}}) {
    CHECK(same_bits(forward.last.value().select(0, s), forward.output.value().select(0, end)));
    CHECK(same_bits(reverse.last.value().select(0, s), reverse.output.value().select(0, first)));
  }
  const Gru alone = gru(narrow(in.x, 0, 4, 4), in.weight_ih, in.weight_hh, in.bias_ih, in.bias_hh, marks({4}),
                        narrow(in.h0, 0, 2, 1));
  CHECK(relative_difference(alone.output.value(), forward.output.value().narrow(0, 4, 4)) <= 1e-14);
}

TEST_CASE("gru: gradients, and a carry that is not damped is caught") {
  const Tensor cu = marks({3, 0, 2, 4});
  const std::vector<Tensor> inputs{random_normal({9, 3}, 1), random_normal({6, 3}, 2), random_normal({6, 2}, 3),
                                   random_normal({6}, 4),    random_normal({6}, 5),    random_normal({4, 2}, 6)};
  for (const bool reverse : {false, true})
    check_gradients(
        "gru",
        [&](std::span<const Variable> in) {
          const Gru y = gru(in[0], in[1], in[2], in[3], in[4], cu, in[5], reverse);
          return concatenate({y.output, y.last}, 0);
        },
        inputs);
  const ops::GruSteps steps(cu, 9, false);
  const Tensor weight = inputs[2];
  const auto planted = [&](std::span<const Variable> in) {
    const ops::GruForward forward = ops::gru(in[0].value(), weight, {}, {}, steps);
    return record("planted", forward.output, {in[0]}, [=](const Tensor& dy, GradSlots) -> Grads {
      ops::GruForward wrong = forward;
      wrong.states = Tensor::zeros_like(forward.states);  // what a step starts from is forgotten
      return {ops::gru_backward(dy, {}, wrong, weight, steps, {}).d_input};
    });
  };
  CHECK_FALSE(gradcheck_one(planted, {random_normal({9, 6}, 7)}).ok);
}

TEST_CASE("gru: the same bits at any number of threads") {
  CHECK(same_on_any_number_of_threads([] {
    const std::vector<int64_t> lengths{3, 9, 1, 0, 12, 5, 5, 7, 2, 30};
    const Tensor cu = marks(lengths);
    const Inputs in(74, 24, 40, 10, DType::f32);
    const Gru y = in.run(cu, false);
    backward(std::vector<Variable>{y.output, y.last},
             std::vector<Tensor>{random_normal({74, 40}, 7, DType::f32), random_normal({10, 40}, 8, DType::f32)});
    std::vector<Tensor> results{y.output.value(), y.last.value()};
    for (const Variable& input : in.all()) results.push_back(input.grad());
    return results;
  }));
}

TEST_CASE("gru: what bad input gets") {
  const Inputs in(4, 3, 2, 2, DType::f32);
  const Tensor cu = marks({1, 3});
  const auto run = [&](const Variable& x, const Variable& hh, const Variable& bias, const Tensor& cu_seqlens,
                       const Variable& h0) { return gru(x, in.weight_ih, hh, in.bias_ih, bias, cu_seqlens, h0); };
  CHECK_THROWS_WITH(run(in.x, Variable(Tensor::zeros({5, 2})), in.bias_hh, cu, in.h0),
                    "gru: weight is f32 [5, 2], expected f32 [3 · hidden, hidden]");
  CHECK_THROWS_WITH(run(in.x, Variable(Tensor::zeros({9, 3})), in.bias_hh, cu, in.h0),
                    "gru: input is f32 [4, 6], expected f32 [4, 9]");
  CHECK_THROWS_WITH(run(in.x, in.weight_hh, Variable(Tensor::zeros({5})), cu, in.h0),
                    "gru: bias is f32 [5], expected f32 [6]");
  CHECK_THROWS_WITH(run(in.x, in.weight_hh, in.bias_hh, cu, Variable(Tensor::zeros({3, 2}))),
                    "gru: h0 is f32 [3, 2], expected f32 [2, 2]");
  CHECK_THROWS(run(in.x, in.weight_hh, in.bias_hh, marks({1, 2}), in.h0));
  CHECK_THROWS_WITH(run(Variable(Tensor::zeros({4})), in.weight_hh, in.bias_hh, cu, in.h0),
                    "gru: x is f32 [4], expected [tokens, input]");
}

}  // namespace tessera::gru_test
