// visual_bert: Hugging Face's VisualBertForPreTraining, built of models/parts: one stream of a text's tokens and then
// the regions; every layer, scores, loss and all gradients.
#include "autograd/functions.h"
#include "models/parts/bert.h"
#include "tests/golden/device.h"
#include "tests/golden/region_case.h"

namespace tessera::golden {
namespace {

struct VisualBert {
  BertEmbeddings embeddings;
  Embedding visual_positions, visual_types;
  Linear visual_projection, pooler, transform, match;
  LayerNorm transform_norm;
  Variable word_bias;
  std::vector<TransformerBlock> blocks;

  VisualBert(const BertConfig& c, int64_t visual_size)
      : embeddings(c),
        visual_positions(c.max_position_embeddings, c.hidden_size),
        visual_types(c.type_vocab_size, c.hidden_size),
        visual_projection(visual_size, c.hidden_size),
        pooler(c.hidden_size, c.hidden_size),
        transform(c.hidden_size, c.hidden_size),
        match(c.hidden_size, 2),
        transform_norm(c.hidden_size, c.layer_norm_eps),
        word_bias(zero_parameter({c.vocab_size})) {
    for (int64_t i = 0; i < c.num_hidden_layers; ++i) blocks.emplace_back(c.block());
  }
  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    const std::string bert = join_name(prefix, "visual_bert");
    embeddings.visit(bert + ".embeddings", visitor);
    visual_positions.visit(bert + ".embeddings.visual_position_embeddings", visitor);
    visual_types.visit(bert + ".embeddings.visual_token_type_embeddings", visitor);
    visual_projection.visit(bert + ".embeddings.visual_projection", visitor);
    visit_blocks(blocks, bert, bert_block_names(), visitor);
    pooler.visit(bert + ".pooler.dense", visitor);
    transform.visit(join_name(prefix, "cls.predictions.transform.dense"), visitor);
    transform_norm.visit(join_name(prefix, "cls.predictions.transform.LayerNorm"), visitor);
    visitor(join_name(prefix, "cls.predictions.bias"), word_bias);
    match.visit(join_name(prefix, "cls.seq_relationship"), visitor);
  }
};

BertConfig bert_config_of(const nlohmann::json& fields) {
  BertConfig out;
  out.vocab_size = fields.at("vocab_size");
  out.hidden_size = fields.at("hidden_size");
  out.num_hidden_layers = fields.at("num_hidden_layers");
  out.num_attention_heads = fields.at("num_attention_heads");
  out.intermediate_size = fields.at("intermediate_size");
  out.max_position_embeddings = fields.at("max_position_embeddings");
  out.layer_norm_eps = fields.at("layer_norm_eps");
  return out;
}

// Which row of the texts' rows, followed by the regions', stands where in the joint stream; the labels there.
struct JointStream {
  std::vector<int64_t> rows, lengths, labels;

  JointStream(const RegionCase& golden, const std::vector<int64_t>& tokens, const std::vector<int64_t>& regions) {
    int64_t text = 0, region = 0;
    for (const int64_t length : tokens) region += length;
    const Tensor& padded = golden.file.at("labels");
    const int64_t longest = golden.file.at("input_ids").size(1);
    for (size_t i = 0; i < tokens.size(); ++i) {
      const std::vector<int64_t> of_sample = padded.select(0, static_cast<int64_t>(i)).to_vector<int64_t>();
      for (int64_t k = 0; k < tokens[i]; ++k) append(text++, of_sample, k);
      for (int64_t k = 0; k < regions[i]; ++k) append(region++, of_sample, longest + k);
      lengths.push_back(tokens[i] + regions[i]);
    }
  }
  void append(int64_t row, const std::vector<int64_t>& of_sample, int64_t at) {
    rows.push_back(row);
    labels.push_back(of_sample.at(static_cast<size_t>(at)));
  }
};

void run_visual_bert_in(RegionCase& golden, DType dtype) {
  const nlohmann::json& fields = golden.config.at("config");
  const BertConfig config = bert_config_of(fields);
  VisualBert model(config, fields.at("visual_embedding_dim"));
  ParameterSet parameters(model, dtype, "", computed_on);
  golden.load(parameters, split_qkv);

  const std::vector<int64_t> tokens = golden.lengths("txt_lens"), regions = golden.lengths("num_bbs");
  const JointStream joint(golden, tokens, regions);
  const Tensor cu_seqlens = marks_of(joint.lengths);
  const Variable& words = model.embeddings.word_embeddings.weight;
  const Variable text = embedding(with_constant_first_row(words), golden.packed("input_ids", tokens, dtype)) +
                        model.embeddings.position_embeddings(places_of(tokens)) +
                        model.embeddings.token_type_embeddings(golden.packed("token_type_ids", tokens, dtype));
  const Variable visual = model.visual_projection(Variable(golden.packed("visual_embeds", regions, dtype))) +
                          narrow(model.visual_positions.weight, 0, 0, 1) + narrow(model.visual_types.weight, 0, 1, 1);
  Stream x{model.embeddings.layer_norm(gather_rows({text, visual}, Tensor::from(joint.rows))), {}};
  golden.compare("hidden.0", x.residual);
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    x = model.blocks[i](x, cu_seqlens, {});
    golden.compare("hidden." + std::to_string(i + 1), x.residual);
  }
  const Variable first = gather_rows({x.residual}, cu_seqlens.narrow(0, 0, cu_seqlens.size(0) - 1));
  const Variable match = model.match(tanh(model.pooler(first)));
  const Variable hidden = model.transform_norm(linear_gelu(x.residual, model.transform.weight, model.transform.bias));
  const Variable scores = linear(hidden, words, model.word_bias);
  golden.compare("lm_scores", scores);
  golden.compare("match_scores", match);
  const Variable loss =
      cross_entropy(scores, Tensor::from(joint.labels)) + cross_entropy(match, golden.file.at("sentence_image_labels"));
  golden.compare("loss", loss);
  loss.backward();
  golden.compare_gradients(parameters, split_qkv);
}

}  // namespace

Outcome run_visual_bert(const std::filesystem::path& directory) {
  RegionCase golden(directory);
  for (const DType dtype : computed_dtypes()) run_visual_bert_in(golden, dtype);
  return golden.comparison.outcome();
}

}  // namespace tessera::golden
