// Transformer blocks of every kind for tests, and the same from plain ops.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "autograd/functions.h"
#include "nn/transformer_block.h"

namespace tessera::transformer_block_test {

inline constexpr int64_t kSize = 6, kHeads = 2, kHidden = 10, kStateSize = 4;
inline const std::vector<int64_t> kOffsets{0, 3, 3, 8};       // one sequence is empty
inline const std::vector<int64_t> kStateOffsets{0, 2, 3, 7};  // of what cross-attention reads

inline Tensor cu_seqlens() { return Tensor::from(kOffsets); }

inline constexpr BlockOptions kPlain{.size = kSize, .heads = kHeads, .hidden = kHidden};

// One of each: what the systems that this library is for are made of, and what could be mixed up.
struct Variant {
  const char* name;
  BlockOptions options;
};
inline const Variant kVariants[] = {
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
inline BlockOptions with_dropout(BlockOptions options, double p, double activation_p, double attention_p = 0) {
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
inline void randomise(Blocks& blocks, uint64_t seed) {
  blocks.visit("", [&seed](const std::string& name, Variable& parameter) {
    std::vector<double> values = random_normal(parameter.shape(), seed++).to_vector<double>();
    for (double& v : values) v = (name.ends_with("weight") && parameter.shape().dim() == 1 ? 1 : 0) + 0.5 * v;
    parameter = Variable(Tensor::from(values, parameter.shape()), true);
  });
}

// ---- the same from plain ops, one sequence and one head at a time ----

// q, k and v [tokens, kSize]. Dropout of the probabilities: the word of (query token, head, key) as the op's header has
// it.
inline Variable plain_attention(const Variable& q, const Variable& k, const Variable& v,
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

inline Variable plain_linear(const Linear& layer, const Variable& x) {
  const Variable y = matmul(x, transpose(layer.weight, 0, 1));
  return layer.bias.defined() ? y + layer.bias : y;
}

inline Variable plain_norm(const LayerNorm& layer, const Variable& x) {
  const Variable centred = x - mean(x, -1, true);
  return centred / sqrt(mean(square(centred), -1, true) + layer.eps) * layer.weight + layer.bias;
}

inline Variable plain_dropout(const Variable& x, double p, TicketSource& tickets) {
  return p == 0 ? x : dropout(x, p, tickets.next());
}

inline Variable plain_activation(Activation activation, const Variable& x) {
  if (activation == Activation::relu) return relu(x);
  return activation == Activation::gelu ? gelu(x) : x * sigmoid(x * 1.702);
}

inline Variable plain(const Blocks& blocks, Variable x, const BlockOptions& o, TicketSource tickets) {
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
inline std::vector<Tensor> results_of(Blocks& blocks, const Variable& input, const Variable& y) {
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

inline double largest_difference(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  REQUIRE(x.size() == y.size());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
  return worst;
}

}  // namespace tessera::transformer_block_test
