#include "nn/transformer_block.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "nn/embedding.h"

namespace tessera::transformer_block_test {

namespace {

constexpr int64_t kSize = 6, kHeads = 2, kHidden = 10;
constexpr double kEps = 1e-12;
const std::vector<int64_t> kOffsets{0, 3, 3, 8};  // one sequence is empty

Tensor cu_seqlens() { return Tensor::from(kOffsets); }

struct Blocks {
  std::vector<TransformerBlock> layers;
  LayerNorm norm{kSize, kEps};
  explicit Blocks(int count) : layers(static_cast<size_t>(count), TransformerBlock()) {
    for (TransformerBlock& layer : layers) layer = TransformerBlock(kSize, kHeads, kHidden, kEps);
  }
  Variable operator()(const Variable& x, const ForwardContext& context) const {
    Stream stream{x, {}};
    for (const TransformerBlock& layer : layers) stream = layer(stream, cu_seqlens(), context);
    return add_layer_norm(stream, norm, context).normalised;
  }
  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    for (size_t i = 0; i < layers.size(); ++i)
      layers[i].visit(join_name(prefix, "layer." + std::to_string(i)), visitor);
    norm.visit(join_name(prefix, "layernorm"), visitor);
  }
};

// Overwrites every parameter: LayerNorm weights near 1, the rest normal with deviation 0.5.
void randomise(Blocks& blocks, uint64_t seed) {
  blocks.visit("", [&seed](const std::string& name, Variable& parameter) {
    std::vector<double> values = random_normal(parameter.shape(), seed++).to_vector<double>();
    for (double& v : values) v = (name.ends_with("weight") && parameter.shape().dim() == 1 ? 1 : 0) + 0.5 * v;
    parameter = Variable(Tensor::from(values, parameter.shape()), true);
  });
}

// ---- the same from plain ops, one sequence and one head at a time ----

Variable plain_attention(const Variable& qkv) {
  std::vector<Variable> sequences;
  for (size_t s = 0; s + 1 < kOffsets.size(); ++s) {
    const int64_t tokens = kOffsets[s + 1] - kOffsets[s], head = kSize / kHeads;
    if (tokens == 0) continue;
    std::vector<Variable> heads;
    for (int64_t h = 0; h < kHeads; ++h) {
      const auto part = [&](int64_t which) {
        return narrow(narrow(qkv, 0, kOffsets[s], tokens), 1, which * kSize + h * head, head);
      };
      const Variable scores = matmul(part(0), transpose(part(1), 0, 1)) * (1 / std::sqrt(static_cast<double>(head)));
      heads.push_back(matmul(softmax(scores), part(2)));
    }
    sequences.push_back(concatenate(heads, 1));
  }
  return concatenate(sequences, 0);
}

Variable plain_linear(const Linear& layer, const Variable& x) {
  return matmul(x, transpose(layer.weight, 0, 1)) + layer.bias;
}

Variable plain_norm(const LayerNorm& layer, const Variable& x) {
  const Variable centred = x - mean(x, -1, true);
  return centred / sqrt(mean(square(centred), -1, true) + layer.eps) * layer.weight + layer.bias;
}

Variable plain_dropout(const Variable& x, double p, TicketSource& tickets) {
  return p == 0 ? x : dropout(x, p, tickets.next());
}

Variable plain(const Blocks& blocks, Variable x, double p, double activation_p, TicketSource tickets) {
  for (const TransformerBlock& block : blocks.layers) {
    const Variable attended =
        plain_linear(block.attention.output,
                     plain_attention(plain_linear(block.attention.qkv, plain_norm(block.layernorm_before, x))));
    const Variable a = x + plain_dropout(attended, p, tickets);
    const Variable hidden = gelu(plain_linear(block.mlp.fc1, plain_norm(block.layernorm_after, a)));
    const Variable branch = plain_linear(block.mlp.fc2, plain_dropout(hidden, activation_p, tickets));
    x = a + plain_dropout(branch, p, tickets);
  }
  return plain_norm(blocks.norm, x);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  REQUIRE(x.size() == y.size());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
  return worst;
}

}  // namespace

TEST_CASE("transformer block: names and shapes") {
  Blocks blocks(1);
  std::string names;
  blocks.visit("encoder",
               [&names](const std::string& name, Variable& p) { names += text(name, ' ', p.shape(), '\n'); });
  CHECK(names ==
        "encoder.layer.0.layernorm_before.weight [6]\nencoder.layer.0.layernorm_before.bias [6]\n"
        "encoder.layer.0.attention.qkv.weight [18, 6]\nencoder.layer.0.attention.qkv.bias [18]\n"
        "encoder.layer.0.attention.output.dense.weight [6, 6]\nencoder.layer.0.attention.output.dense.bias [6]\n"
        "encoder.layer.0.layernorm_after.weight [6]\nencoder.layer.0.layernorm_after.bias [6]\n"
        "encoder.layer.0.intermediate.dense.weight [10, 6]\nencoder.layer.0.intermediate.dense.bias [10]\n"
        "encoder.layer.0.output.dense.weight [6, 10]\nencoder.layer.0.output.dense.bias [6]\n"
        "encoder.layernorm.weight [6]\nencoder.layernorm.bias [6]\n");
  CHECK_THROWS_WITH(SelfAttention(6, 4), "attention: size 6 is not a multiple of 4 heads");
}

TEST_CASE("transformer block: computed again in backward, every value, gradient and later ticket is the same") {
  for (const auto& [p, activation_p] : {std::pair(0.0, 0.0), std::pair(0.3, 0.4)}) {
    Blocks blocks(2);
    randomise(blocks, 5);
    const Tensor x = random_normal({8, kSize}, 1), cotangent = random_normal({8, kSize}, 2);
    std::vector<std::vector<double>> results[2];
    for (const bool again : {false, true}) {
      TicketSource tickets(11, 3);
      const ForwardContext context{p, activation_p, true, &tickets};
      const Variable input(x, true);
      Stream stream{input, {}};
      for (const TransformerBlock& layer : blocks.layers)
        stream = again ? layer.checkpointed(stream, cu_seqlens(), context) : layer(stream, cu_seqlens(), context);
      const Variable y = add_layer_norm(stream, blocks.norm, context).normalised;
      y.backward(cotangent);
      auto& all = results[again];
      all = {y.value().to_vector<double>(), input.grad().to_vector<double>(), {static_cast<double>(tickets.next().stream)}};
      blocks.visit("", [&all](const std::string&, Variable& parameter) {
        all.push_back(parameter.grad().to_vector<double>());
        parameter.clear_grad();
      });
    }
    CHECK(results[0] == results[1]);
  }
}

TEST_CASE("transformer block: dropout without tickets is an error, also in a block that is computed again") {
  Blocks blocks(1);
  randomise(blocks, 5);
  const ForwardContext context{0.5, 0, true, nullptr};
  const Stream stream{Variable(random_normal({8, kSize}, 1), true), {}};
  CHECK_THROWS_WITH(blocks.layers[0].checkpointed(stream, cu_seqlens(), context),
                    "block: dropout 0.5 in training needs a ticket source");
}

// Two blocks and a final LayerNorm, so that the sums across blocks are covered. Both sides are f64 on values of order
// one to ten; some hundred roundings of 1e-16 stay far below 1e-11.
TEST_CASE("transformer block: equals the composition of plain ops, values and gradients") {
  for (const auto& [p, activation_p] : {std::pair(0.0, 0.0), std::pair(0.3, 0.0), std::pair(0.3, 0.4)}) {
    Blocks blocks(2);
    randomise(blocks, 5);
    TicketSource tickets(11, 3);
    const ForwardContext context{p, activation_p, true, &tickets};
    const Tensor x = random_normal({8, kSize}, 1), cotangent = random_normal({8, kSize}, 2);
    std::vector<Tensor> results[2];
    for (const bool fused : {true, false}) {
      const Variable input(x, true);
      const Variable y = fused ? blocks(input, context) : plain(blocks, input, p, activation_p, TicketSource(11, 3));
      y.backward(cotangent);
      auto& all = results[fused];
      all = {y.value(), input.grad()};
      blocks.visit("", [&all](const std::string&, Variable& parameter) {
        all.push_back(parameter.grad().clone());
        parameter.clear_grad();
      });
    }
    for (size_t i = 0; i < results[0].size(); ++i) {
      CAPTURE(i);
      CHECK(largest_difference(results[0][i], results[1][i]) < 1e-11);
    }
  }
}

TEST_CASE("transformer block: gradcheck") {
  Blocks blocks(1);
  randomise(blocks, 7);
  std::vector<Tensor> inputs{random_normal({8, kSize}, 1)};
  blocks.visit("", [&inputs](const std::string&, Variable& parameter) { inputs.push_back(parameter.value()); });
  const auto report = gradcheck_one(
      [&](std::span<const Variable> x) {
        size_t next = 1;
        blocks.visit("", [&](const std::string&, Variable& parameter) { parameter = x[next++]; });
        TicketSource tickets(4, 1);
        return blocks(x[0], {0.2, 0.1, true, &tickets});
      },
      inputs);
  INFO(report.message());
  CHECK(report.ok);
}

TEST_CASE("transformer block: without training nothing is dropped and no ticket needed") {
  Blocks blocks(1);
  randomise(blocks, 7);
  const Variable x(random_normal({8, kSize}, 1));
  CHECK(largest_difference(blocks(x, {0.5, 0.5, false, nullptr}).value(), blocks(x, {}).value()) == 0);
  CHECK_THROWS_WITH(blocks(x, {0.5, 0, true, nullptr}), "block: dropout 0.5 in training needs a ticket source");
}

TEST_CASE("ticket source: streams in call order, and a copy draws the same again") {
  TicketSource source(5, 9);
  const Ticket first = source.next();
  TicketSource copy = source;
  CHECK(first.seed == 5);
  CHECK(first.step == 9);
  CHECK(first.stream == 0);
  CHECK(source.next().stream == 1);
  CHECK(copy.next().stream == 1);
}

// Gradients of two micro-batches added up in the arena against those of leaves of their own, added by hand.
TEST_CASE("parameter set: gradients added in the arena equal separate ones") {
  Blocks blocks(2), separate(2);
  randomise(blocks, 9);
  randomise(separate, 9);
  ParameterSet set(blocks, DType::f64);
  std::vector<Tensor> sums;
  for (uint64_t batch = 0; batch < 2; ++batch) {
    const Variable x(random_normal({8, kSize}, 20 + batch));
    const Tensor cotangent = random_normal({8, kSize}, 30 + batch);
    blocks(x, {}).backward(cotangent);
    separate(x, {}).backward(cotangent);
    size_t i = 0;
    separate.visit("", [&](const std::string&, Variable& parameter) {
      if (batch == 0)
        sums.push_back(parameter.grad().clone());
      else
        sums[i] = add(Variable(sums[i]), Variable(parameter.grad())).value();
      // A fresh leaf, so that the second batch's gradient stands alone.
      parameter = Variable(parameter.value(), true);
      ++i;
    });
  }
  REQUIRE(set.slots().size() == sums.size());
  CHECK(set.reached().size() == sums.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    CAPTURE(set.slots()[i].name);
    CHECK(set.slots()[i].parameter.grad().storage() == set.gradients().storage());
    CHECK(largest_difference(set.slots()[i].parameter.grad(), sums[i]) < 1e-12);
  }
  double squares = 0;
  for (const Tensor& sum : sums)
    for (const double g : sum.to_vector<double>()) squares += g * g;
  CHECK(set.global_norm() == doctest::Approx(std::sqrt(squares)).epsilon(1e-13));
}

TEST_CASE("layers: linear without bias, embedding") {
  Linear linear(3, 2, false);
  std::string names;
  linear.visit("", [&names](const std::string& name, Variable&) { names += name; });
  CHECK(names == "weight");
  linear.weight = Variable(Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3}), true);
  const Variable x(Tensor::from(std::vector<float>{1, 0, -1}, {1, 3}));
  CHECK(linear(x).value().to_vector<float>() == std::vector<float>{-2, -2});

  Embedding table(3, 2);
  table.weight = Variable(Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2}), true);
  const Variable rows = table(Tensor::from(std::vector<int64_t>{2, 0, 2}));
  CHECK(rows.value().to_vector<float>() == std::vector<float>{5, 6, 1, 2, 5, 6});
  rows.backward(Tensor::full({3, 2}, 1));
  CHECK(table.weight.grad().to_vector<float>() == std::vector<float>{1, 1, 0, 0, 2, 2});
}

}  // namespace tessera::transformer_block_test
