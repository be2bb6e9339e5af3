// The plain kernels; attention_tensor_cores_test.cpp has the others.
#include "tensor/ops/attention/attention.h"

#include "tensor/ops/attention/attention_kernels.h"
#include "tests/cuda/attention_case.h"
#include "tests/cuda/on_device.h"
#include "tests/ops/marks.h"

namespace tessera::attention_test {

using namespace tessera::test;

namespace {

constexpr Ticket kTicket{5, 2, 9};

// q, k and v side by side in one tensor, as a fused projection leaves them, where queries and keys are the same tokens.
template <class T>
AttentionInputs inputs_of(const AttentionCase& c) {
  const int64_t width = c.heads * c.head_size;
  return {random_values<T>({total(c.queries), width}, 1),
          random_values<T>({total(c.keys), width}, 2),
          random_values<T>({total(c.keys), width}, 3),
          random_values<T>({total(c.queries), width}, 4),
          marks(c.queries),
          marks(c.keys)};
}

// out, log_sum_exp, dq, dk, dv. Rows of keys and values, and of their gradients, alternate in memory.
template <class T>
std::vector<Tensor> on_gpu(const AttentionCase& c, const AttentionInputs& in) {
  using namespace tessera::cuda;
  const int64_t width = c.heads * c.head_size, queries = total(c.queries), keys = total(c.keys);
  Tensor both = Tensor::empty({keys, 2 * width}, in.k.dtype());
  both.narrow(1, 0, width).copy_(in.k);
  both.narrow(1, width, width).copy_(in.v);
  const auto q = on_device<T>(in.q, "q"), kv = on_device<T>(both, "kv"), dout = on_device<T>(in.dout, "dout");
  const auto cu_queries = on_device<int64_t>(in.cu_queries, "cu_queries"),
             cu_keys = on_device<int64_t>(in.cu_keys, "cu_keys");
  DeviceArray<T> out(queries * width, "out"), dq(queries * width, "dq"), dkv(2 * keys * width, "dkv");
  DeviceArray<float> log_sum_exp(queries * c.heads, "log_sum_exp"), row_dots(queries * c.heads, "row_dots");
  const auto most = [](const std::vector<int64_t>& lengths) {
    return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  };
  const AttentionSizes sizes{cu_queries.data(),
                             cu_keys.data(),
                             static_cast<int64_t>(c.queries.size()),
                             queries,
                             most(c.queries),
                             most(c.keys),
                             c.heads,
                             c.head_size,
                             c.causal,
                             c.p,
                             kTicket};
  const AttentionRows<const T> qs{q.data(), width}, ks{kv.data(), 2 * width}, vs{kv.data() + width, 2 * width};
  attention_plain<T>(qs, ks, vs, {out.data(), width}, log_sum_exp.data(), sizes);
  attention_plain_backward<T>({dout.data(), width}, qs, ks, vs, {out.data(), width}, log_sum_exp.data(),
                              {dq.data(), width}, {dkv.data(), 2 * width}, {dkv.data() + width, 2 * width},
                              row_dots.data(), sizes);
  const Tensor gradients = from_device(dkv, {keys, 2 * width});
  return {from_device(out, {queries, width}), from_device(log_sum_exp, {queries, c.heads}),
          from_device(dq, {queries, width}), gradients.narrow(1, 0, width).clone(),
          gradients.narrow(1, width, width).clone()};
}

}  // namespace

// Scores are sums of up to 96 products of size 1, and their error of a few ulp (of 4) is one of the probabilities,
// relative to them; out and dv are their means. In bf16 row_dots comes from the rounded out: dS_ij = P_ij (dP_ij - D_i)
// inherits 2^-8 of |dout · out|, which the extra bound on dq and dk takes in.
TEST_CASE("cuda attention and its gradients equal the CPU's in f64") {
  const std::vector<AttentionCase> cases{{{}, {}, 2, 8, false},
                                         {{1}, {1}, 1, 1, false},
                                         {{3, 0, 17}, {5, 4, 33}, 2, 8, false},
                                         {{40}, {70}, 1, 64, false},
                                         {{33, 5}, {33, 2}, 1, 33, true},
                                         {{7}, {0}, 1, 4, false},
                                         {{18}, {18}, 1, 96, true},
                                         {{3, 0, 17}, {5, 4, 33}, 2, 8, false, 0.4},
                                         {{40}, {70}, 1, 64, false, 0.1},
                                         {{33, 5}, {33, 2}, 3, 33, true, 0.25}};
  for_float_and_bf16([&](auto tag) {
    using T = decltype(tag);
    for (size_t i = 0; i < cases.size(); ++i) {
      CAPTURE(i);
      const AttentionCase& c = cases[i];
      const AttentionInputs in = inputs_of<T>(c);
      const std::vector<Tensor> got = in_three_orders([&] { return on_gpu<T>(c, in); });
      const Tensor q = wide(in.q), k = wide(in.k), v = wide(in.v);
      const ops::AttentionOptions options{c.heads, c.causal, c.p, kTicket};
      const ops::AttentionResult cpu = ops::attention(q, k, v, in.cu_queries, in.cu_keys, options);
      Tensor dq = Tensor::empty_like(q), dk = Tensor::empty_like(k), dv = Tensor::empty_like(v);
      ops::attention_backward(wide(in.dout), q, k, v, cpu, in.cu_queries, in.cu_keys, options, dq, dk, dv);
      const double through_out = std::is_same_v<T, float> ? 0 : 0x1p-8;
      CHECK_CLOSE(got[0], cpu.out, 2e-6);
      CHECK_CLOSE(got[1], cpu.log_sum_exp, 2e-6);
      CHECK_CLOSE(got[2], dq, 5e-6 + through_out);
      CHECK_CLOSE(got[3], dk, 5e-6 + through_out);
      CHECK_CLOSE(got[4], dv, 5e-6);
    }
  });
}

}  // namespace tessera::attention_test
