// The block as BERT's encoder, its encoder that reads other states and its decoder: Hugging Face's classes on the same
// weights (tests/golden/README.md). Padding is left out, and so are the embeddings, whose output is the input here;
// losses are computed to their end, so that the gradients of all blocks come from them.
#include <doctest/doctest.h>

#include "autograd/functions.h"
#include "io/safetensors.h"
#include "nn/transformer_block.h"
#include "tests/golden/compare.h"
#include "tests/golden/json.h"

namespace tessera::golden_block_test {
namespace {

// A block's parts, and the file's layers that stand one below the other in them.
using Parts = std::vector<std::pair<std::string, std::vector<std::string>>>;

const Parts kBertParts{
    {"attention_norm", {"attention.output.LayerNorm"}},
    {"attention.qkv", {"attention.self.query", "attention.self.key", "attention.self.value"}},
    {"attention.output", {"attention.output.dense"}},
    {"cross_norm", {"crossattention.output.LayerNorm"}},
    {"cross.query", {"crossattention.self.query"}},
    {"cross.key_value", {"crossattention.self.key", "crossattention.self.value"}},
    {"cross.output", {"crossattention.output.dense"}},
    {"mlp_norm", {"output.LayerNorm"}},
    {"mlp.fc1", {"intermediate.dense"}},
    {"mlp.fc2", {"output.dense"}},
};
// The file's names of what a block calls `name` ("attention.qkv.weight").
std::vector<std::string> names_in_file(const Parts& parts, const std::string& prefix, const std::string& name) {
  const size_t dot = name.rfind('.');
  std::vector<std::string> names;
  for (const auto& [own, theirs] : parts)
    if (name.substr(0, dot) == own)
      for (const std::string& layer : theirs) names.push_back(prefix + layer + name.substr(dot));
  REQUIRE(!names.empty());
  return names;
}

// A directory of reference data, and what is compared with it.
struct GoldenCase {
  std::filesystem::path directory;
  DType dtype;
  nlohmann::json config;
  SafeTensors model, reference;
  golden::Comparison comparison;

  GoldenCase(const std::string& name, DType type)
      : directory(std::filesystem::path(TESSERA_GOLDEN_DIR) / name),
        dtype(type),
        config(golden::read_json(directory / "config.json")),
        model(load_safetensors((directory / "model.safetensors").string())),
        reference(load_safetensors((directory / "case.safetensors").string())),
        comparison(directory) {}

  Tensor weight(const std::string& name) const { return model.at(name).to(dtype); }
  Tensor input(const std::string& name) const { return reference.at(name).to(dtype); }
  Linear linear(const std::string& name) const {
    Linear layer;
    layer.weight = Variable(weight(name + ".weight"), true);
    if (model.contains(name + ".bias")) layer.bias = Variable(weight(name + ".bias"), true);
    return layer;
  }
  LayerNorm norm(const std::string& name, double eps) const {
    LayerNorm layer;
    layer.weight = Variable(weight(name + ".weight"), true);
    layer.bias = Variable(weight(name + ".bias"), true);
    layer.eps = eps;
    return layer;
  }
  void compare(const std::string& name, const Tensor& got) { compare(name, got, reference.at(name)); }
  void compare(const std::string& name, const Tensor& got, const Tensor& expected) {
    comparison.compare(name, got, expected);
  }
  void finish() {
    const golden::Outcome outcome = comparison.outcome();
    CHECK_MESSAGE(outcome.ok, directory.filename().string(), ": ", outcome.detail);
    MESSAGE(directory.filename().string(), ": ", outcome.detail);
  }
};

// Sequences of a padded batch without their padding.
struct Packed {
  Tensor rows;  // of the padded batch's tokens, one after the other
  Tensor cu_seqlens;

  // mask i64 [sequences, tokens], 1 for what is there
  static Packed of(const Tensor& mask) {
    std::vector<int64_t> rows, marks{0};
    const auto is_there = mask.to_vector<int64_t>();
    for (int64_t i = 0; i < mask.numel(); ++i) {
      if (is_there[static_cast<size_t>(i)]) rows.push_back(i);
      if ((i + 1) % mask.size(1) == 0) marks.push_back(static_cast<int64_t>(rows.size()));
    }
    return {Tensor::from(rows), Tensor::from(marks)};
  }
  Tensor operator()(const Tensor& padded) const {
    return gather_rows({Variable(padded.view({padded.numel() / padded.size(-1), padded.size(-1)}))}, rows).value();
  }
  Tensor first_rows() const { return cu_seqlens.narrow(0, 0, cu_seqlens.size(0) - 1); }
};

struct Encoder {
  std::vector<TransformerBlock> blocks;
  const Parts& parts;
  std::string prefix;  // of a layer's names, before its number

  Encoder(const GoldenCase& golden, const BlockOptions& options, int64_t layers, const Parts& names, std::string place)
      : blocks(static_cast<size_t>(layers), TransformerBlock(options)), parts(names), prefix(std::move(place)) {
    for_each_parameter([&](const std::vector<std::string>& files, Variable& parameter) {
      std::vector<Variable> tensors;
      for (const std::string& name : files) tensors.emplace_back(golden.weight(name));
      CHECK(parameter.shape() == concatenate(tensors, 0).shape());
      parameter = Variable(concatenate(tensors, 0).value(), true);
    });
  }

  // Compares what every block gives; `name` is the reference's of the first block's input without its number.
  Variable run(GoldenCase& golden, const std::string& name, const Packed& tokens, const States& states = {}) const {
    Stream stream{Variable(tokens(golden.input(name + "0")), true), {}};
    for (size_t i = 0; i < blocks.size(); ++i) {
      stream = blocks[i](stream, tokens.cu_seqlens, {}, states);
      const std::string after = name + std::to_string(i + 1);
      const Variable value = stream.branch.defined() ? stream.residual + stream.branch : stream.residual;
      golden.compare(after, value.value(), tokens(golden.reference.at(after)));
    }
    return stream.branch.defined() ? stream.residual + stream.branch : stream.residual;
  }

  void compare_gradients(GoldenCase& golden) {
    for_each_parameter([&](const std::vector<std::string>& files, Variable& parameter) {
      const int64_t rows = parameter.size(0) / static_cast<int64_t>(files.size());
      for (size_t i = 0; i < files.size(); ++i)
        golden.compare("grad." + files[i],
                       parameter.grad().narrow(0, static_cast<int64_t>(i) * rows, rows).contiguous());
    });
  }

 private:
  template <class F>
  void for_each_parameter(F f) {
    for (size_t i = 0; i < blocks.size(); ++i)
      blocks[i].visit("", [&](const std::string& name, Variable& parameter) {
        f(names_in_file(parts, prefix + std::to_string(i) + ".", name), parameter);
      });
  }
};

BlockOptions bert_options(const nlohmann::json& config) {
  return {.size = config["hidden_size"],
          .heads = config["num_attention_heads"],
          .hidden = config["intermediate_size"],
          .norms = NormPlacement::after,
          .eps = config["layer_norm_eps"]};
}

Variable dot(const Variable& x, const Tensor& cotangent) { return sum(x * Variable(cotangent)); }

void compare_bert_encoder(GoldenCase& golden, bool reads_states) {
  BlockOptions options = bert_options(golden.config);
  States states;
  Packed of_states;
  if (reads_states) {
    options.state_size = options.size;
    of_states = Packed::of(golden.reference.at("encoder_mask"));
    states = {Variable(of_states(golden.input("encoder_hidden")), true), of_states.cu_seqlens};
  }
  Encoder encoder(golden, options, golden.config["num_hidden_layers"], kBertParts, "encoder.layer.");
  const Packed tokens = Packed::of(golden.reference.at("attention_mask"));
  const Variable last = encoder.run(golden, "hidden.", tokens, states);
  const Linear pooler = golden.linear("pooler.dense");
  const Variable pooled = tanh(pooler(gather_rows({last}, tokens.first_rows())));
  golden.compare("pooled", pooled.value());
  const Variable loss = dot(last, tokens(golden.input("cotangent"))) + dot(pooled, golden.input("cotangent_pooled"));
  golden.compare("loss", loss.value());
  loss.backward();
  encoder.compare_gradients(golden);
  golden.compare("grad.pooler.dense.weight", pooler.weight.grad());
  if (reads_states)
    golden.compare("dencoder_hidden", states.rows.grad(), of_states(golden.reference.at("dencoder_hidden")));
}

void compare_bert_decoder(GoldenCase& golden) {
  BlockOptions options = bert_options(golden.config);
  options.causal = true;
  options.state_size = options.size;
  const Packed of_states = Packed::of(golden.reference.at("encoder_mask"));
  const Packed tokens = Packed::of(golden.reference.at("attention_mask"));
  const States states{Variable(of_states(golden.input("encoder_hidden")), true), of_states.cu_seqlens};
  Encoder decoder(golden, options, golden.config["num_hidden_layers"], kBertParts, "bert.encoder.layer.");
  const Variable last = decoder.run(golden, "hidden.", tokens, states);

  const std::string head = "cls.predictions.";
  const Linear dense = golden.linear(head + "transform.dense");
  const LayerNorm norm = golden.norm(head + "transform.LayerNorm", options.eps);
  const Variable words(golden.weight("bert.embeddings.word_embeddings.weight"));
  const Variable logits = linear(norm(gelu(dense(last))), words, Variable(golden.weight(head + "bias")));
  golden.compare("logits", logits.value(), tokens(golden.reference.at("logits")));
  // Each token predicts the next one's label.
  const Tensor labels = golden.reference.at("labels");
  const auto all = labels.to_vector<int64_t>(), rows = tokens.rows.to_vector<int64_t>();
  std::vector<int64_t> next;
  for (const int64_t row : rows)
    next.push_back((row + 1) % labels.size(1) == 0 ? -100 : all[static_cast<size_t>(row + 1)]);
  const Variable loss = cross_entropy(logits, Tensor::from(next));
  golden.compare("loss", loss.value());
  loss.backward();
  decoder.compare_gradients(golden);
  golden.compare("dencoder_hidden", states.rows.grad(), of_states(golden.reference.at("dencoder_hidden")));
}

template <class F>
void in_both_types(const std::string& name, F compare) {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenCase golden(name, dtype);
    compare(golden);
    golden.finish();
  }
}

}  // namespace

TEST_CASE("golden: BERT's encoder, norms after their branches") {
  in_both_types("bert_encoder", [](GoldenCase& golden) { compare_bert_encoder(golden, false); });
}

TEST_CASE("golden: BERT's encoder that reads other states, ragged too") {
  in_both_types("bert_cross", [](GoldenCase& golden) { compare_bert_encoder(golden, true); });
}

TEST_CASE("golden: BERT's decoder, causal") { in_both_types("bert_decoder", compare_bert_decoder); }

}  // namespace tessera::golden_block_test
