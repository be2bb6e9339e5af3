#include "nn/attention.h"

namespace tessera {

SelfAttention::SelfAttention(int64_t d, int64_t head_count, bool qkv_bias)
    : qkv(d, 3 * d, qkv_bias), output(d, d), heads(head_count) {
  check(head_count > 0 && d % head_count == 0, "attention: size ", d, " is not a multiple of ", head_count, " heads");
}

Variable SelfAttention::operator()(const Variable& x, const Tensor& cu_seqlens) const {
  return output(self_attention(qkv(x), cu_seqlens, heads));
}

void SelfAttention::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  qkv.visit(join_name(prefix, "qkv"), visitor);
  output.visit(join_name(prefix, "output.dense"), visitor);
}

}  // namespace tessera
