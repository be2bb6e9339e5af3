#include "models/vilbert/co_attention.h"

namespace tessera {

CoAttention::CoAttention(const VilbertConfig& c)
    : qkv1(c.v_hidden_size, 3 * c.bi_hidden_size),
      qkv2(c.text.hidden_size, 3 * c.bi_hidden_size),
      dense1(c.bi_hidden_size, c.v_hidden_size),
      dense2(c.bi_hidden_size, c.text.hidden_size),
      norm1(c.v_hidden_size, c.text.layer_norm_eps),
      norm2(c.text.hidden_size, c.text.layer_norm_eps),
      vision_norm(c.v_hidden_size, c.text.layer_norm_eps),
      text_norm(c.text.hidden_size, c.text.layer_norm_eps),
      vision_mlp(c.v_hidden_size, c.v_intermediate_size),
      text_mlp(c.text.hidden_size, c.text.intermediate_size),
      heads(c.bi_num_attention_heads),
      vision_dropout(c.v_hidden_dropout_prob),
      text_dropout(c.text.hidden_dropout_prob),
      vision_attention_dropout(c.v_attention_probs_dropout_prob),
      text_attention_dropout(c.text.attention_probs_dropout_prob) {}

VilbertStreams CoAttention::operator()(const VilbertStreams& in, const ForwardContext& context) const {
  const Variable of_picture = qkv1(in.vision), of_text = qkv2(in.text);
  const auto part = [](const Variable& x, int64_t i) { return narrow(x, 1, i * x.size(1) / 3, x.size(1) / 3); };
  const auto [p_text, text_ticket] = context.dropout(text_attention_dropout);
  const Variable seen_in_text = attention(part(of_picture, 0), part(of_text, 1), part(of_text, 2), in.cu_seqlens_vision,
                                          in.cu_seqlens_text, heads, false, p_text, text_ticket);
  const auto [p_vision, vision_ticket] = context.dropout(vision_attention_dropout);
  const Variable seen_in_picture =
      attention(part(of_text, 0), part(of_picture, 1), part(of_picture, 2), in.cu_seqlens_text, in.cu_seqlens_vision,
                heads, false, p_vision, vision_ticket);
  const auto added = [&](const Variable& residual, const Variable& branch, double rate, const LayerNorm& norm) {
    return add_layer_norm({residual, branch, rate}, norm, context).normalised;
  };
  VilbertStreams out = in;
  out.vision = added(in.vision, dense1(seen_in_text), vision_dropout, norm1);
  out.text = added(in.text, dense2(seen_in_picture), text_dropout, norm2);
  out.vision = added(out.vision, vision_mlp(out.vision, context), vision_dropout, vision_norm);
  out.text = added(out.text, text_mlp(out.text, context), text_dropout, text_norm);
  return out;
}

void CoAttention::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  const std::pair<const char*, Linear*> maps[] = {{"biattention.qkv1", &qkv1},
                                                  {"biattention.qkv2", &qkv2},
                                                  {"biOutput.dense1", &dense1},
                                                  {"biOutput.dense2", &dense2}};
  for (const auto& [name, map] : maps) map->visit(join_name(prefix, name), visitor);
  norm1.visit(join_name(prefix, "biOutput.LayerNorm1"), visitor);
  norm2.visit(join_name(prefix, "biOutput.LayerNorm2"), visitor);
  const auto visit_mlp = [&](const std::string& stream, Mlp& mlp, LayerNorm& norm) {
    mlp.visit(
        "", with_names({{"fc1", stream + "_intermediate.dense"}, {"fc2", stream + "_output.dense"}}, prefix, visitor));
    norm.visit(join_name(prefix, stream + "_output.LayerNorm"), visitor);
  };
  visit_mlp("v", vision_mlp, vision_norm);
  visit_mlp("t", text_mlp, text_norm);
}

std::map<std::string, Tensor> vilbert_file_views(const std::map<std::string, Tensor>& state) {
  const std::string fused = ".biattention.qkv";
  std::map<std::string, Tensor> out;
  for (const auto& [name, tensor] : split_qkv(state)) {
    const size_t at = name.find(fused);
    if (at == std::string::npos) {
      out.emplace(name, tensor);
      continue;
    }
    const std::string prefix = name.substr(0, at) + ".biattention.", rest = name.substr(at + fused.size());
    const int64_t rows = tensor.size(0) / 3;
    int64_t first = 0;
    for (const char* part : {"query", "key", "value"}) {
      out.emplace(prefix + part + rest, tensor.narrow(0, first, rows));
      first += rows;
    }
  }
  return out;
}

}  // namespace tessera
