#include "tensor/ops/attention/attention.h"

#include <type_traits>
#include <vector>

#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/attention/attention_bf16.h"
#include "tensor/ops/attention/attention_device.h"
#include "tensor/ops/attention/attention_units.h"
#include "tensor/ops/ragged.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

using namespace attention_detail;

constexpr const char* kAttentionOp = "attention";

Sizes check_sizes(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_queries, const Tensor& cu_keys,
                  const AttentionOptions& options) {
  const int64_t heads = options.heads;
  check(q.defined() && q.dim() == 2, kAttentionOp, ": q is ", describe(q),
        ", expected [query tokens, heads · head size]");
  check(heads >= 1 && q.size(1) % heads == 0 && q.size(1) > 0, kAttentionOp, ": width ", q.size(1),
        " does not divide into ", heads, " heads");
  check(k.defined() && k.dim() == 2 && k.size(1) == q.size(1), kAttentionOp, ": k is ", describe(k),
        ", expected [key tokens, ", q.size(1), "]");
  check(v.defined() && v.shape() == k.shape(), kAttentionOp, ": v is ", describe(v), ", expected k's shape ",
        k.shape());
  check(k.dtype() == q.dtype() && v.dtype() == q.dtype(), kAttentionOp, ": q, k and v are ", q.dtype(), ", ", k.dtype(),
        " and ", v.dtype(), ", expected one dtype");
  check(k.device() == q.device() && v.device() == q.device(), kAttentionOp, ": q, k and v are on ", q.device(), ", ",
        k.device(), " and ", v.device(), ", expected one device");
  const auto queries = check_marks(kAttentionOp, "cu_queries", cu_queries, q.size(0));
  const auto keys = check_marks(kAttentionOp, "cu_keys", cu_keys, k.size(0));
  check(queries.size() == keys.size(), kAttentionOp, ": cu_queries marks ", queries.size() - 1, " sequences, cu_keys ",
        keys.size() - 1);
  return {queries,           keys,           heads,
          q.size(1) / heads, options.causal, DropoutMask(kAttentionOp, options.p, options.ticket)};
}

std::vector<Unit> units_of(const Sizes& sizes, int64_t query_block) {
  std::vector<Unit> units;
  units.reserve(static_cast<size_t>(sizes.sequences() * sizes.heads));
  for (int64_t s = 0; s < sizes.sequences(); ++s)
    for (int64_t h = 0; h < sizes.heads; ++h)
      for (int64_t i = 0; i < sizes.queries(s); i += query_block)
        units.push_back({s, h, i, std::min(query_block, sizes.queries(s) - i)});
  return units;
}

// How many units make a chunk for one thread: heads of a short sequence stay together, since their results lie in the
// same cache lines and a chunk should be worth handing out.
int64_t units_per_chunk(const Sizes& sizes, int64_t units) {
  constexpr int64_t kProducts = 1 << 17;
  int64_t products = 1;
  for (int64_t s = 0; s < sizes.sequences(); ++s)
    products += sizes.queries(s) * sizes.keys(s) * sizes.heads * sizes.head_size;
  return std::clamp<int64_t>(kProducts * units / products, 1, 2 * sizes.heads);
}

// Calls f(T{}) with the type in which heads of f32, f64 or bf16 elements E are computed.
template <class E, class F>
void dispatch_head(const Sizes& sizes, F&& f) {
  constexpr int64_t kNarrowHead = 16;
  if constexpr (std::is_same_v<E, float>)
    if (sizes.head_size < kNarrowHead) return f(double{});
  f(Arithmetic<E>{});
}

template <class T>
Rows<const T> rows_of(const Tensor& x) {
  return {x.data<T>(), x.stride(0)};
}

void check_target(const Tensor& x, const Tensor& like, const char* name) {
  check(x.defined() && x.shape() == like.shape() && x.dtype() == like.dtype() && x.device() == like.device() &&
            (x.size(1) == 1 || x.stride(1) == 1),
        kAttentionOp, ": ", name, " is ", describe(x), ", expected ", describe(like), " with rows in one piece");
}

template <class T>
Rows<T> target_rows(Tensor& x) {
  return {x.mutable_data<T>(), x.stride(0)};
}

}  // namespace

AttentionResult attention(const Tensor& q_any, const Tensor& k_any, const Tensor& v_any, const Tensor& cu_queries,
                          const Tensor& cu_keys, const AttentionOptions& options) {
  const Sizes sizes = check_sizes(q_any, k_any, v_any, cu_queries, cu_keys, options);
  const Tensor q = with_plain_rows(q_any), k = with_plain_rows(k_any), v = with_plain_rows(v_any);
  const DType arithmetic = arithmetic_dtype(q.dtype());
  AttentionResult result{Tensor::empty(q.shape(), q.dtype(), q.device()),
                         Tensor::empty({q.size(0), options.heads}, arithmetic, q.device())};
  if constexpr (kHasCuda)
    if (q.on_cuda()) {
      cuda::attention_forward(sizes, {cu_queries, cu_keys}, q, k, v, result);
      return result;
    }
  const std::vector<Unit> units = units_of(sizes, kQueryBlock);
  const bool pairs = multiplies_bf16_pairs() && !sizes.dropout.drops();
  dispatch_activation(kAttentionOp, q.dtype(), [&](auto tag) {
    using E = decltype(tag);
    const Rows<const E> qs = rows_of<E>(q), ks = rows_of<E>(k), vs = rows_of<E>(v);
    const Rows<E> out{result.out.mutable_data<E>(), q.size(1)};
    auto* log_sum_exp = result.log_sum_exp.mutable_data<Arithmetic<E>>();
    const auto forward = [&](const Unit& unit) {
      if constexpr (std::is_same_v<E, bf16>)
        if (pairs) return forward_unit_bf16(sizes, unit, qs, ks, vs, out, log_sum_exp);
      dispatch_head<E>(sizes, [&](auto t) { forward_unit<decltype(t)>(sizes, unit, qs, ks, vs, out, log_sum_exp); });
    };
    const auto count = static_cast<int64_t>(units.size());
    parallel_for(count, units_per_chunk(sizes, count), [&](int64_t begin, int64_t end) {
      for (int64_t u = begin; u < end; ++u) forward(units[static_cast<size_t>(u)]);
    });
  });
  return result;
}

void attention_backward(const Tensor& dout_any, const Tensor& q_any, const Tensor& k_any, const Tensor& v_any,
                        const AttentionResult& forward, const Tensor& cu_queries, const Tensor& cu_keys,
                        const AttentionOptions& options, Tensor dq, Tensor dk, Tensor dv) {
  const Sizes sizes = check_sizes(q_any, k_any, v_any, cu_queries, cu_keys, options);
  check(dout_any.shape() == q_any.shape() && dout_any.dtype() == q_any.dtype() && dout_any.device() == q_any.device(),
        kAttentionOp, ": dout is ", describe(dout_any), ", expected ", describe(q_any));
  check_target(dq, q_any, "dq");
  check_target(dk, k_any, "dk");
  check_target(dv, v_any, "dv");
  const Tensor q = with_plain_rows(q_any), k = with_plain_rows(k_any), v = with_plain_rows(v_any);
  const Tensor dout = with_plain_rows(dout_any);
  if constexpr (kHasCuda)
    if (q.on_cuda())
      return cuda::attention_gradients(sizes, {cu_queries, cu_keys}, dout, q, k, v, forward, {dq, dk, dv});
  const bool pairs = multiplies_bf16_pairs() && !sizes.dropout.drops();
  dispatch_activation(kAttentionOp, q.dtype(), [&](auto tag) {
    using E = decltype(tag);
    const BackwardRows<E> x{rows_of<E>(dout),   rows_of<E>(q),           rows_of<E>(k),
                            rows_of<E>(v),      rows_of<E>(forward.out), forward.log_sum_exp.data<Arithmetic<E>>(),
                            target_rows<E>(dq), target_rows<E>(dk),      target_rows<E>(dv)};
    const auto backward = [&](int64_t sequence, int64_t head) {
      if constexpr (std::is_same_v<E, bf16>)
        if (pairs) return backward_unit_bf16(sizes, sequence, head, x);
      dispatch_head<E>(sizes, [&](auto t) { backward_unit<decltype(t)>(sizes, sequence, head, x); });
    };
    const int64_t heads = sizes.heads, count = sizes.sequences() * heads;
    parallel_for(count, units_per_chunk(sizes, count), [&](int64_t begin, int64_t end) {
      for (int64_t u = begin; u < end; ++u) backward(u / heads, u % heads);
    });
  });
}

}  // namespace tessera::ops
