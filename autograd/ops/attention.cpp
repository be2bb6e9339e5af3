#include "tensor/ops/attention/attention.h"

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {
namespace {

// Part i of tensors [rows, parts · width] that lie side by side.
Tensor part(const Tensor& fused, int64_t i, int64_t width) { return fused.narrow(1, i * width, width); }

}  // namespace

Variable attention(const Variable& q, const Variable& k, const Variable& v, const Tensor& cu_queries,
                   const Tensor& cu_keys, int64_t heads, bool causal, double p, const Ticket& ticket) {
  const ops::AttentionOptions options{heads, causal, p, ticket};
  const auto forward = ops::attention(q.value(), k.value(), v.value(), cu_queries, cu_keys, options);
  return record("attention", forward.out, {q, k, v},
                [=, q = q.value(), k = k.value(), v = v.value()](const Tensor& dy, GradSlots) -> Grads {
                  const Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(k), dv = Tensor::empty_like(v);
                  ops::attention_backward(dy, q, k, v, forward, cu_queries, cu_keys, options, dq, dk, dv);
                  return {dq, dk, dv};
                });
}

Variable self_attention(const Variable& qkv, const Tensor& cu_seqlens, int64_t heads, bool causal, double p,
                        const Ticket& ticket) {
  check(qkv.defined() && qkv.value().dim() == 2 && qkv.size(1) % 3 == 0, "self_attention: qkv is ",
        describe(qkv.value()), ", expected [tokens, 3 · heads · head size]");
  const int64_t width = qkv.size(1) / 3;
  const ops::AttentionOptions options{heads, causal, p, ticket};
  const Tensor& x = qkv.value();
  const auto forward =
      ops::attention(part(x, 0, width), part(x, 1, width), part(x, 2, width), cu_seqlens, cu_seqlens, options);
  return record("self_attention", forward.out, {qkv}, [=](const Tensor& dy, GradSlots) -> Grads {
    const Tensor dx = Tensor::empty_like(x);
    ops::attention_backward(dy, part(x, 0, width), part(x, 1, width), part(x, 2, width), forward, cu_seqlens,
                            cu_seqlens, options, part(dx, 0, width), part(dx, 1, width), part(dx, 2, width));
    return {dx};
  });
}

Variable cross_attention(const Variable& q, const Variable& kv, const Tensor& cu_queries, const Tensor& cu_keys,
                         int64_t heads, double p, const Ticket& ticket) {
  check(kv.defined() && kv.value().dim() == 2 && kv.size(1) % 2 == 0, "cross_attention: kv is ", describe(kv.value()),
        ", expected [key tokens, 2 · heads · head size]");
  const int64_t width = kv.size(1) / 2;
  const ops::AttentionOptions options{heads, false, p, ticket};
  const Tensor &x = q.value(), &y = kv.value();
  const auto forward = ops::attention(x, part(y, 0, width), part(y, 1, width), cu_queries, cu_keys, options);
  return record("cross_attention", forward.out, {q, kv}, [=](const Tensor& dout, GradSlots) -> Grads {
    const Tensor dx = Tensor::empty_like(x), dy = Tensor::empty_like(y);
    ops::attention_backward(dout, x, part(y, 0, width), part(y, 1, width), forward, cu_queries, cu_keys, options, dx,
                            part(dy, 0, width), part(dy, 1, width));
    return {dx, dy};
  });
}

}  // namespace tessera
