#include "nn/transformer_block.h"

#include <memory>

#include "autograd/tape.h"

namespace tessera {

AddLayerNorm add_layer_norm(const Stream& stream, const LayerNorm& norm, const ForwardContext& context) {
  if (!stream.branch.defined()) return {stream.residual, norm(stream.residual)};
  const auto [p, ticket] = context.dropout(stream.dropout);
  return dropout_add_layer_norm(stream.branch, stream.residual, norm.weight, norm.bias, norm.eps, p, ticket);
}

TransformerBlock::TransformerBlock(const BlockOptions& o)
    : attention_norm(o.size, o.eps),
      mlp_norm(o.size, o.eps),
      attention(o.size, o.heads, o.qkv_bias, o.causal, o.attention_dropout),
      mlp(o.size, o.hidden, o.activation, o.activation_dropout),
      norms(o.norms),
      dropout(o.dropout) {
  if (o.state_size == 0) return;
  cross_norm = LayerNorm(o.size, o.eps);
  cross.emplace(o.size, o.state_size, o.heads, o.qkv_bias, o.attention_dropout);
}

template <class Branch>
Stream TransformerBlock::add_branch(const Stream& stream, const LayerNorm& norm, const ForwardContext& context,
                                    Branch branch) const {
  if (norms == NormPlacement::before) {
    const AddLayerNorm x = add_layer_norm(stream, norm, context);
    return {x.sum, branch(x.normalised), dropout};
  }
  return {add_layer_norm({stream.residual, branch(stream.residual), dropout}, norm, context).normalised, {}};
}

Stream TransformerBlock::operator()(const Stream& stream, const Tensor& cu_seqlens, const ForwardContext& context,
                                    const States& states) const {
  check(norms == NormPlacement::before || !stream.branch.defined(),
        "block: a branch that is not yet added, before a block that has its norms after the sums");
  Stream out =
      add_branch(stream, attention_norm, context, [&](const Variable& x) { return attention(x, cu_seqlens, context); });
  if (cross)
    out = add_branch(out, cross_norm, context,
                     [&](const Variable& x) { return (*cross)(x, cu_seqlens, states, context); });
  return add_branch(out, mlp_norm, context, [&](const Variable& x) { return mlp(x, context); });
}

// The tickets that the first run draws are drawn again by the second: each starts from a copy of the source as it was.
Stream TransformerBlock::checkpointed(const Stream& stream, const Tensor& cu_seqlens, const ForwardContext& context,
                                      const States& states) const {
  TransformerBlock block = *this;  // handles on the same parameters, which live as long as the closure
  std::vector<Variable> inputs{stream.residual}, parameters;
  const bool has_branch = stream.branch.defined(), has_states = cross && states.rows.defined();
  if (has_branch) inputs.push_back(stream.branch);
  if (has_states) inputs.push_back(states.rows);
  block.visit("", [&](const std::string&, Variable& parameter) { parameters.push_back(parameter); });

  const TicketSource start = context.tickets ? *context.tickets : TicketSource(0, 0);
  const auto end = std::make_shared<TicketSource>(start);
  const bool hands_on = norms == NormPlacement::before;  // its last branch
  const auto run = [=, in_dropout = stream.dropout,
                    cu_states = states.cu_seqlens](std::span<const Variable> x) -> std::vector<Variable> {
    *end = start;
    ForwardContext own = context;
    own.tickets = context.tickets ? end.get() : nullptr;
    const Stream in{x[0], has_branch ? x[1] : Variable(), in_dropout};
    const Stream out = block(in, cu_seqlens, own, {has_states ? x.back() : Variable(), cu_states});
    return hands_on ? std::vector{out.residual, out.branch} : std::vector{out.residual};
  };
  const std::vector<Variable> out = checkpoint(run, std::move(inputs), std::move(parameters));
  if (context.tickets) *context.tickets = *end;
  return hands_on ? Stream{out[0], out[1], dropout} : Stream{out[0], {}};
}

void TransformerBlock::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  attention_norm.visit(join_name(prefix, "attention_norm"), visitor);
  attention.visit(join_name(prefix, "attention"), visitor);
  if (cross) {
    cross_norm.visit(join_name(prefix, "cross_norm"), visitor);
    cross->visit(join_name(prefix, "cross"), visitor);
  }
  mlp_norm.visit(join_name(prefix, "mlp_norm"), visitor);
  mlp.visit(join_name(prefix, "mlp"), visitor);
}

}  // namespace tessera
