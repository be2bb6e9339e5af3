// lxmert: Hugging Face's LxmertModel, built of models/parts: two streams whose cross layers ask each other through one
// module; every layer, the language's weights over regions, pooled output and all gradients.
#include <cmath>

#include "autograd/functions.h"
#include "models/parts/bert.h"
#include "tensor/ops/concatenate.h"
#include "tests/golden/device.h"
#include "tests/golden/region_case.h"

namespace tessera::golden {
namespace {

// What follows the cross-attention in one stream is a block with names of its own.
NameTable names_of_stream(const std::string& stream) {
  return {{"attention_norm", stream + "_self_att.output.LayerNorm"},
          {"attention.qkv", stream + "_self_att.self.qkv"},
          {"attention.output", stream + "_self_att.output.dense"},
          {"mlp_norm", stream + "_output.LayerNorm"},
          {"mlp.fc1", stream + "_inter.dense"},
          {"mlp.fc2", stream + "_output.dense"}};
}

struct CrossLayer {
  CrossAttention attention;
  LayerNorm norm;
  TransformerBlock language, vision;

  explicit CrossLayer(const BertConfig& c)
      : attention(c.hidden_size, c.hidden_size, c.num_attention_heads),
        norm(c.hidden_size, c.layer_norm_eps),
        language(c.block()),
        vision(c.block()) {}
  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    attention.visit("", with_names({{"query", "visual_attention.self.query"},
                                    {"key_value", "visual_attention.self.key_value"},
                                    {"output", "visual_attention.output.dense"}},
                                   prefix, visitor));
    norm.visit(prefix + ".visual_attention.output.LayerNorm", visitor);
    language.visit("", with_names(names_of_stream("lang"), prefix, visitor));
    vision.visit("", with_names(names_of_stream("visn"), prefix, visitor));
  }
};

struct Lxmert {
  BertEmbeddings embeddings;
  Linear features, boxes, pooler;
  LayerNorm features_norm, boxes_norm;
  std::vector<TransformerBlock> language, vision;
  std::vector<CrossLayer> cross;

  Lxmert(const BertConfig& c, const nlohmann::json& fields)
      : embeddings(c),
        features(fields.at("visual_feat_dim").get<int64_t>(), c.hidden_size),
        boxes(4, c.hidden_size),
        pooler(c.hidden_size, c.hidden_size),
        features_norm(c.hidden_size, c.layer_norm_eps),
        boxes_norm(c.hidden_size, c.layer_norm_eps) {
    for (int64_t i = 0; i < fields.at("l_layers"); ++i) language.emplace_back(c.block());
    for (int64_t i = 0; i < fields.at("r_layers"); ++i) vision.emplace_back(c.block());
    for (int64_t i = 0; i < fields.at("x_layers"); ++i) cross.emplace_back(c);
  }
  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    embeddings.visit(join_name(prefix, "embeddings"), visitor);
    const std::string regions = join_name(prefix, "encoder.visn_fc.");
    features.visit(regions + "visn_fc", visitor);
    features_norm.visit(regions + "visn_layer_norm", visitor);
    boxes.visit(regions + "box_fc", visitor);
    boxes_norm.visit(regions + "box_layer_norm", visitor);
    visit_blocks(language, prefix, bert_block_names(), visitor);
    visit_blocks(vision, prefix, {"encoder.r_layers.", bert_block_names().parts}, visitor);
    for (size_t i = 0; i < cross.size(); ++i)
      cross[i].visit(join_name(prefix, "encoder.x_layers." + std::to_string(i)), visitor);
    pooler.visit(join_name(prefix, "pooler.dense"), visitor);
  }
};

std::map<std::string, Tensor> lxmert_file_views(const std::map<std::string, Tensor>& state) {
  const std::string own = ".visual_attention.self.";
  std::map<std::string, Tensor> out;
  for (const auto& [name, tensor] : split_qkv(state)) {
    const size_t at = name.find(own);
    out.emplace(
        at == std::string::npos ? name : name.substr(0, at) + ".visual_attention.att." + name.substr(at + own.size()),
        tensor);
  }
  return out;
}

BertConfig language_config_of(const nlohmann::json& fields) {
  BertConfig out;
  out.vocab_size = fields.at("vocab_size");
  out.hidden_size = fields.at("hidden_size");
  out.num_attention_heads = fields.at("num_attention_heads");
  out.intermediate_size = fields.at("intermediate_size");
  out.max_position_embeddings = fields.at("max_position_embeddings");
  out.layer_norm_eps = fields.at("layer_norm_eps");
  return out;
}

// Of each sample [heads, its tokens, its regions], flat, one after another; the reference's padding left out.
void compare_weights(RegionCase& golden, const std::string& name, const CrossAttention& attention,
                     const Variable& language, const Variable& vision, const std::vector<int64_t>& tokens,
                     const std::vector<int64_t>& regions) {
  const int64_t heads = attention.heads, size = language.size(1), head = size / heads;
  const Variable queries = attention.query(language), keys = narrow(attention.key_value(vision), 1, 0, size);
  std::vector<Variable> own;
  std::vector<Tensor> reference;
  int64_t from = 0, region = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto of_heads = [&](const Variable& rows, int64_t begin, int64_t count) {
      return transpose(reshape(contiguous(narrow(rows, 0, begin, count)), {count, heads, head}), 0, 1);
    };
    const Variable scores =
        matmul(of_heads(queries, from, tokens[i]), transpose(of_heads(keys, region, regions[i]), 1, 2));
    const int64_t count = heads * tokens[i] * regions[i];
    own.push_back(reshape(softmax(scores / std::sqrt(static_cast<double>(head))), {count}));
    const Tensor padded = golden.file.at(name).select(0, static_cast<int64_t>(i));
    reference.push_back(padded.narrow(1, 0, tokens[i]).narrow(2, 0, regions[i]).contiguous().reshape({count}));
    from += tokens[i];
    region += regions[i];
  }
  golden.comparison.compare(name, concatenate(own, 0).value(), ops::concatenate(reference, 0));
}

void run_lxmert_in(RegionCase& golden, DType dtype) {
  const nlohmann::json& fields = golden.config.at("config");
  Lxmert model(language_config_of(fields), fields);
  ParameterSet parameters(model, dtype, "", computed_on);
  golden.load(parameters, lxmert_file_views);

  const std::vector<int64_t> tokens = golden.lengths("txt_lens"), regions = golden.lengths("num_bbs");
  const Tensor cu_language = marks_of(tokens), cu_vision = marks_of(regions);
  const auto row_of = [](const Embedding& table, const Tensor& ids) {
    return embedding(with_constant_first_row(table.weight), ids);
  };
  const BertEmbeddings& words = model.embeddings;
  Variable language =
      words.layer_norm(row_of(words.word_embeddings, golden.packed("input_ids", tokens, dtype)) +
                       row_of(words.position_embeddings, places_of(tokens)) +
                       row_of(words.token_type_embeddings, golden.packed("token_type_ids", tokens, dtype)));
  Variable vision = (model.features_norm(model.features(Variable(golden.packed("visual_feats", regions, dtype)))) +
                     model.boxes_norm(model.boxes(Variable(golden.packed("visual_pos", regions, dtype))))) /
                    2;
  int seen_language = 0, seen_vision = 0;
  const auto see_language = [&] { golden.compare("language_hidden." + std::to_string(seen_language++), language); };
  const auto see_vision = [&] { golden.compare("vision_hidden." + std::to_string(seen_vision++), vision); };
  for (const TransformerBlock& block : model.language) {
    language = block({language, {}}, cu_language, {}).residual;
    see_language();
  }
  for (const TransformerBlock& block : model.vision) {
    vision = block({vision, {}}, cu_vision, {}).residual;
    see_vision();
  }
  for (size_t i = 0; i < model.cross.size(); ++i) {
    const CrossLayer& layer = model.cross[i];
    compare_weights(golden, "cross_attention." + std::to_string(i), layer.attention, language, vision, tokens, regions);
    // Both read what was before the layer.
    const Variable from_vision = layer.attention(language, cu_language, {vision, cu_vision}, {});
    const Variable from_language = layer.attention(vision, cu_vision, {language, cu_language}, {});
    language = layer.language({layer.norm(language + from_vision), {}}, cu_language, {}).residual;
    vision = layer.vision({layer.norm(vision + from_language), {}}, cu_vision, {}).residual;
    see_language();
    see_vision();
  }
  const Variable pooled =
      tanh(model.pooler(gather_rows({language}, cu_language.narrow(0, 0, cu_language.size(0) - 1))));
  golden.compare("language", language);
  golden.compare("vision", vision);
  golden.compare("pooled", pooled);
  const auto dot = [&](const Variable& x, const std::string& name) {
    return sum(x * Variable(golden.file.at("cotangent." + name).to(dtype).to(computed_on)));
  };
  const Variable loss = dot(language, "language") + dot(vision, "vision") + dot(pooled, "pooled");
  golden.compare("loss", loss);
  loss.backward();
  golden.compare_gradients(parameters, lxmert_file_views);
}

}  // namespace

Outcome run_lxmert(const std::filesystem::path& directory) {
  RegionCase golden(directory);
  for (const DType dtype : computed_dtypes()) run_lxmert_in(golden, dtype);
  return golden.comparison.outcome();
}

}  // namespace tessera::golden
