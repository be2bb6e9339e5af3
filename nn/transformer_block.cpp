#include "nn/transformer_block.h"

#include <memory>

#include "autograd/tape.h"

namespace tessera {

AddLayerNorm add_layer_norm(const Stream& stream, const LayerNorm& norm, const ForwardContext& context) {
  if (!stream.branch.defined()) return {stream.residual, norm(stream.residual)};
  const double p = context.branch_probability();
  return dropout_add_layer_norm(stream.branch, stream.residual, norm.weight, norm.bias, norm.eps, p, context.ticket(p));
}

Stream TransformerBlock::operator()(const Stream& stream, const Tensor& cu_seqlens, const ForwardContext& context) const {
  const AddLayerNorm before = add_layer_norm(stream, layernorm_before, context);
  const Stream attended{before.sum, attention(before.normalised, cu_seqlens)};
  const AddLayerNorm after = add_layer_norm(attended, layernorm_after, context);
  return {after.sum, mlp(after.normalised, context)};
}

// The tickets that the first run draws are drawn again by the second: each starts from a copy of the source as it was.
Stream TransformerBlock::checkpointed(const Stream& stream, const Tensor& cu_seqlens, const ForwardContext& context) const {
  TransformerBlock block = *this;  // handles on the same parameters, which live as long as the closure
  std::vector<Variable> inputs{stream.residual}, parameters;
  if (stream.branch.defined()) inputs.push_back(stream.branch);
  block.visit("", [&](const std::string&, Variable& parameter) { parameters.push_back(parameter); });

  const TicketSource start = context.tickets ? *context.tickets : TicketSource(0, 0);
  const auto end = std::make_shared<TicketSource>(start);
  const auto run = [=](std::span<const Variable> x) -> std::vector<Variable> {
    *end = start;
    ForwardContext own = context;
    own.tickets = context.tickets ? end.get() : nullptr;
    const Stream out = block({x[0], x.size() > 1 ? x[1] : Variable()}, cu_seqlens, own);
    return {out.residual, out.branch};
  };
  const std::vector<Variable> out = checkpoint(run, std::move(inputs), std::move(parameters));
  if (context.tickets) *context.tickets = *end;
  return {out[0], out[1]};
}

void TransformerBlock::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  layernorm_before.visit(join_name(prefix, "layernorm_before"), visitor);
  attention.visit(join_name(prefix, "attention"), visitor);
  layernorm_after.visit(join_name(prefix, "layernorm_after"), visitor);
  mlp.visit(prefix, visitor);
}

}  // namespace tessera
