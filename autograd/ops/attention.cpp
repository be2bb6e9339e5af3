#include "tensor/ops/attention/attention.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {

Variable attention(const Variable& q, const Variable& k, const Variable& v, const Tensor& cu_queries,
                   const Tensor& cu_keys, int64_t heads, bool causal) {
  const auto forward = ops::attention(q.value(), k.value(), v.value(), cu_queries, cu_keys, heads, causal);
  return record("attention", forward.out, {q, k, v},
                [=, q = q.value(), k = k.value(), v = v.value()](const Tensor& dy, GradSlots) -> Grads {
                  const Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(k), dv = Tensor::empty_like(v);
                  ops::attention_backward(dy, q, k, v, forward, cu_queries, cu_keys, heads, causal, dq, dk, dv);
                  return {dq, dk, dv};
                });
}

Variable self_attention(const Variable& qkv, const Tensor& cu_seqlens, int64_t heads, bool causal) {
  check(qkv.defined() && qkv.value().dim() == 2 && qkv.size(1) % 3 == 0, "self_attention: qkv is ",
        describe(qkv.value()), ", expected [tokens, 3 · heads · head size]");
  const int64_t width = qkv.size(1) / 3;
  const auto part = [width](const Tensor& fused, int64_t i) { return fused.narrow(1, i * width, width); };
  const Tensor& x = qkv.value();
  const auto forward = ops::attention(part(x, 0), part(x, 1), part(x, 2), cu_seqlens, cu_seqlens, heads, causal);
  return record("self_attention", forward.out, {qkv}, [=](const Tensor& dy, GradSlots) -> Grads {
    const Tensor dx = Tensor::empty_like(x);
    ops::attention_backward(dy, part(x, 0), part(x, 1), part(x, 2), forward, cu_seqlens, cu_seqlens, heads, causal,
                            part(dx, 0), part(dx, 1), part(dx, 2));
    return {dx};
  });
}

}  // namespace tessera
