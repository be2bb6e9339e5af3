#include "nn/transformer_block.h"

namespace tessera {

AddLayerNorm add_layer_norm(const Stream& stream, const LayerNorm& norm, const BlockContext& context) {
  if (!stream.branch.defined()) return {stream.residual, norm(stream.residual)};
  const double p = context.branch_probability();
  return dropout_add_layer_norm(stream.branch, stream.residual, norm.weight, norm.bias, norm.eps, p, context.ticket(p));
}

Stream TransformerBlock::operator()(const Stream& stream, const Tensor& cu_seqlens, const BlockContext& context) const {
  const AddLayerNorm before = add_layer_norm(stream, layernorm_before, context);
  const Stream attended{before.sum, attention(before.normalised, cu_seqlens)};
  const AddLayerNorm after = add_layer_norm(attended, layernorm_after, context);
  return {after.sum, mlp(after.normalised, context)};
}

void TransformerBlock::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  layernorm_before.visit(join_name(prefix, "layernorm_before"), visitor);
  attention.visit(join_name(prefix, "attention"), visitor);
  layernorm_after.visit(join_name(prefix, "layernorm_after"), visitor);
  mlp.visit(prefix, visitor);
}

}  // namespace tessera
