#include "nn/transformer_block.h"

#include <doctest/doctest.h>

#include <cmath>
#include <tuple>

#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "nn/embedding.h"

namespace tessera::transformer_block_test {

namespace {

constexpr int64_t kSize = 6, kHeads = 2, kHidden = 10, kStateSize = 4;
const std::vector<int64_t> kOffsets{0, 3, 3, 8};       // one sequence is empty
const std::vector<int64_t> kStateOffsets{0, 2, 3, 7};  // of what cross-attention reads

Tensor cu_seqlens() { return Tensor::from(kOffsets); }

constexpr BlockOptions kPlain{.size = kSize, .heads = kHeads, .hidden = kHidden};

// One of each: what the systems that this library is for are made of, and what could be mixed up.
struct Variant {
  const char* name;
  BlockOptions options;
};
const Variant kVariants[] = {
    {"norms before, GELU", kPlain},
    {"norms before, QuickGELU, causal",
     {.size = kSize,
      .heads = kHeads,
      .hidden = kHidden,
      .activation = Activation::quick_gelu,
      .causal = true,
      .eps = 1e-5}},
    {"norms before, ReLU, cross-attention",
     {.size = kSize, .heads = kHeads, .hidden = kHidden, .activation = Activation::relu, .state_size = kStateSize}},
    {"norms after, GELU", {.size = kSize, .heads = kHeads, .hidden = kHidden, .norms = NormPlacement::after}},
    {"norms after, QuickGELU, causal, cross-attention, no bias",
     {.size = kSize,
      .heads = kHeads,
      .hidden = kHidden,
      .norms = NormPlacement::after,
      .activation = Activation::quick_gelu,
      .causal = true,
      .state_size = kStateSize,
      .qkv_bias = false}},
};

// With these rates of dropout: of branches, of the hidden layer, of the attention's probabilities.
BlockOptions with_dropout(BlockOptions options, double p, double activation_p, double attention_p = 0) {
  options.dropout = p;
  options.activation_dropout = activation_p;
  options.attention_dropout = attention_p;
  return options;
}

struct Blocks {
  std::vector<TransformerBlock> layers;
  LayerNorm norm{kSize, 1e-12};
  States states{Variable(random_normal({kStateOffsets.back(), kStateSize}, 17), true), Tensor::from(kStateOffsets)};

  explicit Blocks(int count, const BlockOptions& options = kPlain) {
    for (int i = 0; i < count; ++i) layers.emplace_back(options);
  }
  Variable operator()(const Variable& x, const ForwardContext& context) const {
    Stream stream{x, {}};
    for (const TransformerBlock& layer : layers)
      stream = context.checkpoint_blocks ? layer.checkpointed(stream, cu_seqlens(), context, states)
                                         : layer(stream, cu_seqlens(), context, states);
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

// q, k and v [tokens, kSize]. Dropout of the probabilities: the word of (query token, head, key) as the op's header has
// it.
Variable plain_attention(const Variable& q, const Variable& k, const Variable& v,
                         const std::vector<int64_t>& key_offsets, bool causal, double p, TicketSource& tickets) {
  const Ticket ticket = p > 0 ? tickets.next() : Ticket{};
  constexpr int64_t kHead = kSize / kHeads;
  std::vector<Variable> sequences;
  for (size_t s = 0; s + 1 < kOffsets.size(); ++s) {
    const int64_t queries = kOffsets[s + 1] - kOffsets[s], keys = key_offsets[s + 1] - key_offsets[s];
    if (queries == 0) continue;
    std::vector<Variable> heads;
    for (int64_t h = 0; h < kHeads; ++h) {
      const auto part = [&](const Variable& x, int64_t first, int64_t rows) {
        return narrow(narrow(x, 0, first, rows), 1, h * kHead, kHead);
      };
      std::vector<int64_t> seen;
      std::vector<double> factors;
      for (int64_t i = 0; i < queries; ++i)
        for (int64_t j = 0; j < keys; ++j) {
          seen.push_back(!causal || j <= i);
          const auto word = static_cast<uint64_t>((kOffsets[s] + i) * kHeads + h) << 32 | static_cast<uint64_t>(j);
          factors.push_back(p == 0 ? 1 : ticket.word(word) >= p * 0x1p32 ? 1 / (1 - p) : 0);
        }
      const Variable scores = matmul(part(q, kOffsets[s], queries), transpose(part(k, key_offsets[s], keys), 0, 1)) *
                              (1 / std::sqrt(static_cast<double>(kHead)));
      const Variable probabilities = masked_softmax(scores, Tensor::from(seen, {queries, keys}));
      heads.push_back(
          matmul(probabilities * Variable(Tensor::from(factors, {queries, keys})), part(v, key_offsets[s], keys)));
    }
    sequences.push_back(concatenate(heads, 1));
  }
  return concatenate(sequences, 0);
}

Variable plain_linear(const Linear& layer, const Variable& x) {
  const Variable y = matmul(x, transpose(layer.weight, 0, 1));
  return layer.bias.defined() ? y + layer.bias : y;
}

Variable plain_norm(const LayerNorm& layer, const Variable& x) {
  const Variable centred = x - mean(x, -1, true);
  return centred / sqrt(mean(square(centred), -1, true) + layer.eps) * layer.weight + layer.bias;
}

Variable plain_dropout(const Variable& x, double p, TicketSource& tickets) {
  return p == 0 ? x : dropout(x, p, tickets.next());
}

Variable plain_activation(Activation activation, const Variable& x) {
  if (activation == Activation::relu) return relu(x);
  return activation == Activation::gelu ? gelu(x) : x * sigmoid(x * 1.702);
}

Variable plain(const Blocks& blocks, Variable x, const BlockOptions& o, TicketSource tickets) {
  const auto add_branch = [&](const LayerNorm& norm, const auto& branch) {
    const bool before = o.norms == NormPlacement::before;
    const Variable y = branch(before ? plain_norm(norm, x) : x);
    const Variable sum = x + plain_dropout(y, o.dropout, tickets);
    x = before ? sum : plain_norm(norm, sum);
  };
  const auto part = [](const Variable& fused, int64_t i) { return narrow(fused, 1, i * kSize, kSize); };
  for (const TransformerBlock& block : blocks.layers) {
    add_branch(block.attention_norm, [&](const Variable& in) {
      const Variable qkv = plain_linear(block.attention.qkv, in);
      return plain_linear(block.attention.output, plain_attention(part(qkv, 0), part(qkv, 1), part(qkv, 2), kOffsets,
                                                                  o.causal, o.attention_dropout, tickets));
    });
    if (block.cross)
      add_branch(block.cross_norm, [&](const Variable& in) {
        const Variable kv = plain_linear(block.cross->key_value, blocks.states.rows);
        const Variable q = plain_linear(block.cross->query, in);
        return plain_linear(block.cross->output, plain_attention(q, part(kv, 0), part(kv, 1), kStateOffsets, false,
                                                                 o.attention_dropout, tickets));
      });
    add_branch(block.mlp_norm, [&](const Variable& in) {
      const Variable hidden = plain_activation(o.activation, plain_linear(block.mlp.fc1, in));
      return plain_linear(block.mlp.fc2, plain_dropout(hidden, o.activation_dropout, tickets));
    });
  }
  return plain_norm(blocks.norm, x);
}

// The output, and the gradients of the input, of the states and of every parameter, which are cleared.
std::vector<Tensor> results_of(Blocks& blocks, const Variable& input, const Variable& y) {
  y.backward(random_normal({8, kSize}, 2));
  std::vector<Tensor> all{y.value(), input.grad().clone()};
  if (blocks.layers[0].cross) {
    all.push_back(blocks.states.rows.grad().clone());
    blocks.states.rows.clear_grad();
  }
  blocks.visit("", [&all](const std::string&, Variable& parameter) {
    all.push_back(parameter.grad().clone());
    parameter.clear_grad();
  });
  return all;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  REQUIRE(x.size() == y.size());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
  return worst;
}

}  // namespace

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
