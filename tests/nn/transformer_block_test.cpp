#include <doctest/doctest.h>

#include <cmath>
#include <tuple>

#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "nn/embedding.h"
#include "tests/nn/plain_blocks.h"

namespace tessera::transformer_block_test {

TEST_CASE("transformer block: names and shapes, and a model's own names") {
  const auto names_of = [](TransformerBlock block, const NameTable& table, const std::string& prefix) {
    std::string names;
    block.visit("", with_names(table, prefix, [&names](const std::string& name, Variable& p) {
                  names += text(name, ' ', p.shape(), '\n');
                }));
    return names;
  };
  CHECK(names_of(TransformerBlock(kPlain), {}, "layer.0") ==
        "layer.0.attention_norm.weight [6]\nlayer.0.attention_norm.bias [6]\n"
        "layer.0.attention.qkv.weight [18, 6]\nlayer.0.attention.qkv.bias [18]\n"
        "layer.0.attention.output.weight [6, 6]\nlayer.0.attention.output.bias [6]\n"
        "layer.0.mlp_norm.weight [6]\nlayer.0.mlp_norm.bias [6]\n"
        "layer.0.mlp.fc1.weight [10, 6]\nlayer.0.mlp.fc1.bias [10]\n"
        "layer.0.mlp.fc2.weight [6, 10]\nlayer.0.mlp.fc2.bias [6]\n");
  // An entry holds for whole words alone, also where it is all of the name, and the first that fits counts.
  Variable parameter;
  with_names({{"token", "embeddings.class"}}, "model",
             [](const std::string& name, Variable&) { CHECK(name == "model.embeddings.class"); })("token", parameter);
  const NameTable table{
      {"attention", "first"}, {"attention.qkv", "never"}, {"cross", "second"}, {"mlp.fc1", "inner"}, {"m", "never"}};
  CHECK(names_of(TransformerBlock(kVariants[4].options), table, "") ==
        "attention_norm.weight [6]\nattention_norm.bias [6]\n"
        "first.qkv.weight [18, 6]\nfirst.output.weight [6, 6]\nfirst.output.bias [6]\n"
        "cross_norm.weight [6]\ncross_norm.bias [6]\n"
        "second.query.weight [6, 6]\nsecond.key_value.weight [12, 4]\n"
        "second.output.weight [6, 6]\nsecond.output.bias [6]\n"
        "mlp_norm.weight [6]\nmlp_norm.bias [6]\n"
        "inner.weight [10, 6]\ninner.bias [10]\nmlp.fc2.weight [6, 10]\nmlp.fc2.bias [6]\n");
  CHECK_THROWS_WITH(SelfAttention(6, 4), "attention: size 6 is not a multiple of 4 heads");
  CHECK_THROWS_WITH(CrossAttention(6, 3, 4), "attention: size 6 is not a multiple of 4 heads");
}

TEST_CASE("transformer block: computed again in backward, every value, gradient and later ticket is the same") {
  for (const Variant& variant : kVariants)
    for (const bool drops : {false, true}) {
      CAPTURE(variant.name);
      Blocks blocks(2, drops ? with_dropout(variant.options, 0.3, 0.4, 0.2) : variant.options);
      randomise(blocks, 5);
      std::vector<std::vector<double>> results[2];
      for (const bool again : {false, true}) {
        TicketSource tickets(11, 3);
        const Variable input(random_normal({8, kSize}, 1), true);
        const Variable y = blocks(input, {.training = true, .tickets = &tickets, .checkpoint_blocks = again});
        for (const Tensor& tensor : results_of(blocks, input, y)) results[again].push_back(tensor.to_vector<double>());
        results[again].push_back({static_cast<double>(tickets.next().stream)});
      }
      CHECK(results[0] == results[1]);
    }
}

TEST_CASE("transformer block: dropout without tickets is an error, also in a block that is computed again") {
  Blocks blocks(1, with_dropout(kPlain, 0.5, 0));
  randomise(blocks, 5);
  const Variable x(random_normal({8, kSize}, 1), true);
  CHECK_THROWS_WITH(blocks(x, {.training = true, .checkpoint_blocks = true}),
                    "block: dropout 0.5 in training needs a ticket source");
}

// Two blocks and a final LayerNorm, so that the sums across blocks are covered. Both sides are f64 on values of order
// one to ten; some hundred roundings of 1e-16 stay far below 1e-11.
TEST_CASE("transformer block: equals the composition of plain ops, values and gradients") {
  for (const Variant& variant : kVariants)
    for (const auto& [p, activation_p, attention_p] :
         {std::tuple(0.0, 0.0, 0.0), std::tuple(0.3, 0.0, 0.0), std::tuple(0.3, 0.4, 0.0), std::tuple(0.3, 0.4, 0.2)}) {
      CAPTURE(variant.name);
      const BlockOptions options = with_dropout(variant.options, p, activation_p, attention_p);
      Blocks blocks(2, options);
      randomise(blocks, 5);
      std::vector<Tensor> results[2];
      for (const bool fused : {false, true}) {
        TicketSource tickets(11, 3);
        const Variable input(random_normal({8, kSize}, 1), true);
        results[fused] = results_of(
            blocks, input,
            fused ? blocks(input, {.training = true, .tickets = &tickets}) : plain(blocks, input, options, tickets));
      }
      REQUIRE(results[0].size() == results[1].size());
      for (size_t i = 0; i < results[0].size(); ++i) {
        CAPTURE(i);
        CHECK(largest_difference(results[0][i], results[1][i]) < 1e-11);
      }
    }
}

TEST_CASE("transformer block: gradcheck") {
  for (const Variant& variant : kVariants) {
    CAPTURE(variant.name);
    Blocks blocks(1, with_dropout(variant.options, 0.2, 0.1, 0.2));
    randomise(blocks, 7);
    std::vector<Tensor> inputs{random_normal({8, kSize}, 1), blocks.states.rows.value()};
    blocks.visit("", [&inputs](const std::string&, Variable& parameter) { inputs.push_back(parameter.value()); });
    const auto report = gradcheck_one(
        [&](std::span<const Variable> x) {
          size_t next = 2;
          blocks.visit("", [&](const std::string&, Variable& parameter) { parameter = x[next++]; });
          blocks.states.rows = x[1];
          TicketSource tickets(4, 1);
          const Variable y = blocks(x[0], {.training = true, .tickets = &tickets});
          return blocks.layers[0].cross ? y : y + sum(x[1]) * 0.1;  // else nothing depends on the states
        },
        inputs);
    INFO(report.message());
    CHECK(report.ok);
  }
}

TEST_CASE("transformer block: without training nothing is dropped and no ticket needed") {
  Blocks dropping(1, with_dropout(kPlain, 0.5, 0.5, 0.5)), plainly(1);
  randomise(dropping, 7);
  randomise(plainly, 7);
  const Variable x(random_normal({8, kSize}, 1));
  CHECK(largest_difference(dropping(x, {}).value(), plainly(x, {}).value()) == 0);
  CHECK_THROWS_WITH(dropping(x, {.training = true}), "block: dropout 0.5 in training needs a ticket source");
}

TEST_CASE("transformer block: what does not go together is an error") {
  Blocks blocks(1, kVariants[4].options);
  randomise(blocks, 7);
  const Variable x(random_normal({8, kSize}, 1));
  CHECK_THROWS_WITH(blocks.layers[0]({x, {}}, cu_seqlens(), {}), "cross-attention: there are no states to read");
  CHECK_THROWS_WITH(blocks.layers[0]({x, x}, cu_seqlens(), {}, blocks.states),
                    "block: a branch that is not yet added, before a block that has its norms after the sums");
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

}  // namespace tessera::transformer_block_test
