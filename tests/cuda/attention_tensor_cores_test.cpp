#include "tensor/ops/attention/attention_kernels.h"

#include "tensor/ops/attention/attention.h"
#include "tests/cuda/attention_case.h"
#include "tests/cuda/on_device.h"
#include "tests/ops/attention/attention_reference.h"
#include "tests/ops/marks.h"

namespace tessera::attention_tensor_cores_test {

using namespace tessera::test;

namespace {

// k and v lie side by side as a fused projection leaves them; q and dout have rows a little apart. What lies between
// rows is NaN.
AttentionInputs inputs_of(const AttentionCase& c) {
  const int64_t width = c.heads * c.head_size, queries = total(c.queries), keys = total(c.keys);
  return {random_values<bf16>({queries, width}, 1),
          random_values<bf16>({keys, width}, 2),
          random_values<bf16>({keys, width}, 3),
          random_values<bf16>({queries, width}, 4),
          marks(c.queries),
          marks(c.keys)};
}

Tensor with_gaps(const Tensor& x, int64_t gap) {
  Tensor result = Tensor::full({x.size(0), x.size(1) + gap}, std::nan(""), DType::bf16);
  result.narrow(1, 0, x.size(1)).copy_(x);
  return result;
}

enum class Kernels { plain, tensor_cores };

// out, log_sum_exp, dq, dk, dv.
std::vector<Tensor> on_gpu(const AttentionCase& c, const AttentionInputs& in, Kernels kernels) {
  using namespace tessera::cuda;
  const int64_t width = c.heads * c.head_size, queries = total(c.queries), keys = total(c.keys), gap = 8;
  Tensor both = Tensor::empty({keys, 2 * width}, DType::bf16);
  both.narrow(1, 0, width).copy_(in.k);
  both.narrow(1, width, width).copy_(in.v);
  const auto q = on_device<bf16>(with_gaps(in.q, gap), "q"), kv = on_device<bf16>(both, "kv"),
             dout = on_device<bf16>(with_gaps(in.dout, gap), "dout");
  const auto cu_queries = on_device<int64_t>(in.cu_queries, "cu_queries"),
             cu_keys = on_device<int64_t>(in.cu_keys, "cu_keys");
  DeviceArray<bf16> out(queries * width, "out"), dq(queries * width, "dq"), dkv(2 * keys * width, "dkv");
  DeviceArray<float> log_sum_exp(queries * c.heads, "log_sum_exp"), row_dots(queries * c.heads, "row_dots");
  const auto most = [](const std::vector<int64_t>& lengths) {
    return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  };
  const AttentionSizes sizes{cu_queries.data(), cu_keys.data(),  static_cast<int64_t>(c.queries.size()),
                             queries,           most(c.queries), most(c.keys),
                             c.heads,           c.head_size,     c.causal};
  const AttentionRows<const bf16> qs{q.data(), width + gap}, douts{dout.data(), width + gap}, ks{kv.data(), 2 * width},
      vs{kv.data() + width, 2 * width}, outs{out.data(), width};
  const AttentionRows<bf16> dks{dkv.data(), 2 * width}, dvs{dkv.data() + width, 2 * width};
  REQUIRE(tensor_cores_take(c.head_size, {qs, ks, vs, douts, outs}));
  if (kernels == Kernels::plain) {
    attention_plain<bf16>(qs, ks, vs, {out.data(), width}, log_sum_exp.data(), sizes);
    attention_plain_backward<bf16>(douts, qs, ks, vs, outs, log_sum_exp.data(), {dq.data(), width}, dks, dvs,
                                   row_dots.data(), sizes);
  } else {
    attention_tensor_cores(qs, ks, vs, {out.data(), width}, log_sum_exp.data(), sizes);
    attention_tensor_cores_backward(douts, qs, ks, vs, outs, log_sum_exp.data(), {dq.data(), width}, dks, dvs,
                                    row_dots.data(), sizes);
  }
  const Tensor gradients = from_device(dkv, {keys, 2 * width});
  return {from_device(out, {queries, width}), from_device(log_sum_exp, {queries, c.heads}),
          from_device(dq, {queries, width}), gradients.narrow(1, 0, width).clone(),
          gradients.narrow(1, width, width).clone()};
}

reference::AttentionBf16 reference_of(const AttentionCase& c, const AttentionInputs& in, bool rounded_factors) {
  return reference::attention_bf16(wide(in.q), wide(in.k), wide(in.v), wide(in.dout), in.cu_queries, in.cu_keys,
                                   c.heads, c.causal, rounded_factors, 0);
}

void check_results(const std::vector<Tensor>& got, const reference::AttentionBf16& expected) {
  using reference::used_part;
  CHECK(used_part(got[0], expected.out) <= 1);
  CHECK(used_part(got[2], expected.dq) <= 1);
  CHECK(used_part(got[3], expected.dk) <= 1);
  CHECK(used_part(got[4], expected.dv) <= 1);
}

}  // namespace

// The bounds are derived at reference::attention_bf16. Sequences shorter than a tile, of exactly one or two, and just
// over; rows that see no key (causal, more queries than keys).
TEST_CASE("cuda attention on tensor cores: values and gradients are f64's within bf16's bounds") {
  const std::vector<AttentionCase> cases{
      {{}, {}, 2, 64, false},          {{1}, {1}, 1, 64, false},  {{5, 0, 70}, {3, 4, 129}, 1, 64, false},
      {{64}, {128}, 2, 64, false},     {{90}, {90}, 1, 64, true}, {{20, 10}, {5, 0}, 2, 32, true},
      {{70, 3}, {70, 3}, 3, 16, true}, {{33}, {65}, 1, 96, true}, {{40}, {70}, 1, 128, false}};
  for (size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    const AttentionCase& c = cases[i];
    const AttentionInputs in = inputs_of(c);
    const auto got = in_three_orders([&] { return on_gpu(c, in, Kernels::tensor_cores); });
    check_results(got, reference_of(c, in, true));
    const auto f64 = ops::attention(wide(in.q), wide(in.k), wide(in.v), in.cu_queries, in.cu_keys, {c.heads, c.causal});
    CHECK_CLOSE(got[1], f64.log_sum_exp, 2e-6);
  }
}

TEST_CASE("cuda attention on tensor cores: the plain kernels are the same function") {
  const AttentionCase c{{31, 66}, {80, 66}, 2, 64, true};
  const AttentionInputs in = inputs_of(c);
  const auto plain = on_gpu(c, in, Kernels::plain);
  check_results(plain, reference_of(c, in, false));
  const auto got = on_gpu(c, in, Kernels::tensor_cores);
  CHECK_CLOSE(got[1], plain[1], 2e-6);
}

// Scores so far apart (362) that P is 1 for one key, of the last tile, and 0 in f32 for the others, whose dv is 0. f32
// holds log_sum_exp = 362 to 2^-15, which is a relative error of P; D cancels dP up to that: dS is at most 2^-15 times
// Σ |dout v|, about 30, and dq and dk 8 / sqrt(32) times that.
TEST_CASE("cuda attention on tensor cores: far apart scores") {
  const AttentionCase c{{3}, {130}, 1, 32, false};
  AttentionInputs in = inputs_of(c);
  in.q = Tensor::full(in.q.shape(), 8.0, DType::bf16);
  in.k = Tensor::zeros(in.k.shape(), DType::bf16);
  in.k.narrow(0, 129, 1).copy_(Tensor::full({1, 32}, 8.0, DType::bf16));
  in.k.narrow(0, 0, 1).copy_(Tensor::full({1, 32}, -8.0, DType::bf16));
  const auto got = on_gpu(c, in, Kernels::tensor_cores);
  for (int64_t row = 0; row < 3; ++row)
    CHECK(got[0].narrow(0, row, 1).to(DType::f64).to_vector<double>() ==
          in.v.narrow(0, 129, 1).to(DType::f64).to_vector<double>());
  const auto expected = reference_of(c, in, true);
  CHECK(error_over_bound(got[2], expected.dq.value, 0x1p-14, 50) <= 1);
  CHECK(error_over_bound(got[3], expected.dk.value, 0x1p-14, 50) <= 1);
  CHECK(error_over_bound(got[4], expected.dv.value, 0x1p-14, 50) <= 1);
}

TEST_CASE("cuda attention on tensor cores: which rows it takes") {
  const DeviceArray<bf16> x(256, "x");
  const auto takes = [&](int64_t head_size, int64_t offset, int64_t stride) {
    return cuda::tensor_cores_take(head_size, {{x.data(), 64}, {x.data() + offset, stride}});
  };
  CHECK(takes(64, 0, 64));
  CHECK(takes(96, 8, 72));
  CHECK_FALSE(takes(64, 4, 64));
  CHECK_FALSE(takes(64, 0, 68));
  CHECK_FALSE(takes(80, 0, 80));
  CHECK_FALSE(takes(160, 0, 160));
}

}  // namespace tessera::attention_tensor_cores_test
