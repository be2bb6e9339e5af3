#include "nn/attention.h"

namespace tessera {
namespace {

void check_heads(int64_t d, int64_t heads) {
  check(heads > 0 && d % heads == 0, "attention: size ", d, " is not a multiple of ", heads, " heads");
}

}  // namespace

SelfAttention::SelfAttention(int64_t d, int64_t head_count, bool qkv_bias, bool is_causal, double dropout_rate)
    : qkv(d, 3 * d, qkv_bias), output(d, d), heads(head_count), causal(is_causal), dropout(dropout_rate) {
  check_heads(d, head_count);
}

Variable SelfAttention::operator()(const Variable& x, const Tensor& cu_seqlens, const ForwardContext& context) const {
  const auto [p, ticket] = context.dropout(dropout);
  return output(self_attention(qkv(x), cu_seqlens, heads, causal, p, ticket));
}

void SelfAttention::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  qkv.visit(join_name(prefix, "qkv"), visitor);
  output.visit(join_name(prefix, "output"), visitor);
}

CrossAttention::CrossAttention(int64_t d, int64_t state_size, int64_t head_count, bool qkv_bias, double dropout_rate)
    : query(d, d, qkv_bias),
      key_value(state_size, 2 * d, qkv_bias),
      output(d, d),
      heads(head_count),
      dropout(dropout_rate) {
  check_heads(d, head_count);
}

Variable CrossAttention::operator()(const Variable& x, const Tensor& cu_seqlens, const States& states,
                                    const ForwardContext& context) const {
  check(states.rows.defined(), "cross-attention: there are no states to read");
  const auto [p, ticket] = context.dropout(dropout);
  return output(cross_attention(query(x), key_value(states.rows), cu_seqlens, states.cu_seqlens, heads, p, ticket));
}

void CrossAttention::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  query.visit(join_name(prefix, "query"), visitor);
  key_value.visit(join_name(prefix, "key_value"), visitor);
  output.visit(join_name(prefix, "output"), visitor);
}

}  // namespace tessera
