#include "tensor/ops/layer_norm.h"

#include "tensor/ops/dropout.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/layer_norm_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::layer_norm_test {

using namespace tessera::test;

namespace {

constexpr double kEps = 1e-5;

struct Inputs {
  Tensor x, weight, bias, dy, dw, db;
};

template <class T>
Inputs inputs_of(int64_t rows, int64_t d) {
  return {random_values<T>({rows, d}, 1), random_normal({d}, 2, DType::f32), random_normal({d}, 3, DType::f32),
          random_values<T>({rows, d}, 4), random_normal({d}, 5, DType::f32), random_normal({d}, 6, DType::f32)};
}

// y, mean, rstd, dx, dw (added to what is there), db (overwritten).
template <class T>
std::vector<Tensor> on_gpu(const Inputs& in, int64_t rows, int64_t d) {
  const auto x = on_device<T>(in.x, "x"), dy = on_device<T>(in.dy, "dy");
  const auto weight = on_device<float>(in.weight, "weight"), bias = on_device<float>(in.bias, "bias");
  DeviceArray<T> y(rows * d, "y"), dx(rows * d, "dx");
  DeviceArray<float> mean(2 * rows, "mean"), rstd(rows, "rstd"), db(d, "db");
  auto dw = on_device<float>(in.dw, "dw");
  DeviceArray<float> workspace(cuda::parameter_workspace(rows, d), "workspace");
  cuda::layer_norm(x.data(), weight.data(), bias.data(), y.data(), mean.data(), rstd.data(), rows, d, float(kEps));
  cuda::layer_norm_backward(dy.data(), x.data(), weight.data(), mean.data(), rstd.data(), dx.data(),
                            {dw.data(), db.data(), true, false}, workspace.data(), rows, d);
  return {from_device(y, {rows, d}),  from_device(mean, {rows, 2}), from_device(rstd, {rows}),
          from_device(dx, {rows, d}), from_device(dw, {d}),         from_device(db, {d})};
}

std::vector<Tensor> on_cpu(const Inputs& in) {
  const ops::LayerNorm forward = ops::layer_norm(wide(in.x), wide(in.weight), wide(in.bias), kEps);
  const Tensor dw = wide(in.dw).clone(), db = Tensor::empty_like(dw);
  const Tensor dx = ops::layer_norm_backward(wide(in.dy), wide(in.x), wide(in.weight), forward.mean, forward.rstd,
                                             {dw, db, true, false});
  return {forward.y, forward.mean, forward.rstd, dx, dw, db};
}

}  // namespace

// Sums of d terms in f32, in 32 parts: a few ε of their magnitudes (ε of an element for the mean). dw and db are sums
// over the rows of terms of size 1 that may cancel, so their errors count against the largest of them.
TEST_CASE("cuda layer_norm equals the CPU's in f64, at odd sizes and in any order of threads") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const auto& [rows, d] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 5}, {1, 1}, {3, 4}, {7, 66}, {50, 64}, {5, 771}}) {
      CAPTURE(rows);
      CAPTURE(d);
      const Inputs in = inputs_of<T>(rows, d);
      const std::vector<Tensor> got = in_three_orders([&, rows = rows, d = d] { return on_gpu<T>(in, rows, d); });
      const std::vector<Tensor> expected = on_cpu(in);
      CHECK_CLOSE(got[0], expected[0], 2e-6);
      CHECK_CLOSE(got[2], expected[2], 1e-6);
      CHECK_CLOSE(got[3], expected[3], 4e-6);
      CHECK_CLOSE(got[4], expected[4], 4e-6);
      CHECK_CLOSE(got[5], expected[5], 2e-6);
      std::vector<double> mean = values_of(got[1]), right = values_of(expected[1]);
      for (size_t i = 0; i < mean.size(); i += 2)
        CHECK(std::abs(mean[i] + mean[i + 1] - right[i] - right[i + 1]) <= 6e-8);
    }
  });
}

TEST_CASE("cuda layer_norm: parameters that are not aligned") {
  const int64_t rows = 3, d = 64;
  const Inputs in = inputs_of<bf16>(rows, d);
  const auto shifted = [](const Tensor& values) {
    std::vector<float> result = values.to_vector<float>();
    result.insert(result.begin(), 7.0f);
    return DeviceArray<float>(result, "parameter");
  };
  const auto x = on_device<bf16>(in.x, "x"), dy = on_device<bf16>(in.dy, "dy");
  const auto weight = shifted(in.weight), bias = shifted(in.bias);
  DeviceArray<bf16> y(rows * d, "y"), dx(rows * d, "dx");
  DeviceArray<float> mean(2 * rows, "mean"), rstd(rows, "rstd"), dw(d, "dw"), db(d, "db");
  DeviceArray<float> workspace(cuda::parameter_workspace(rows, d), "workspace");
  cuda::layer_norm(x.data(), weight.data() + 1, bias.data() + 1, y.data(), mean.data(), rstd.data(), rows, d,
                   float(kEps));
  cuda::layer_norm_backward(dy.data(), x.data(), weight.data() + 1, mean.data(), rstd.data(), dx.data(),
                            {dw.data(), db.data(), false, false}, workspace.data(), rows, d);
  const std::vector<Tensor> expected = on_cpu(in);
  CHECK_CLOSE(from_device(y, {rows, d}), expected[0], 2e-6);
  CHECK_CLOSE(from_device(dx, {rows, d}), expected[3], 4e-6);
  CHECK_CLOSE(from_device(db, {d}), expected[5], 2e-6);
}

TEST_CASE("cuda layer_norm: rows that are not aligned, and gradients that are not needed") {
  const int64_t rows = 3, d = 64;
  const Inputs in = inputs_of<float>(rows, d);
  std::vector<float> shifted = in.x.to_vector<float>();
  shifted.insert(shifted.begin(), 7.0f);
  const DeviceArray<float> x(shifted, "x");
  const auto weight = on_device<float>(in.weight, "weight"), bias = on_device<float>(in.bias, "bias");
  const auto dy = on_device<float>(in.dy, "dy");
  DeviceArray<float> y(rows * d, "y"), dx(rows * d, "dx"), mean(2 * rows, "mean"), rstd(rows, "rstd"), db(d, "db");
  DeviceArray<float> workspace(cuda::parameter_workspace(rows, d), "workspace");
  cuda::layer_norm(x.data() + 1, weight.data(), bias.data(), y.data(), mean.data(), rstd.data(), rows, d, float(kEps));
  cuda::layer_norm_backward(dy.data(), x.data() + 1, weight.data(), mean.data(), rstd.data(), dx.data(),
                            {nullptr, db.data(), false, false}, workspace.data(), rows, d);
  const std::vector<Tensor> expected = on_cpu(in);
  CHECK_CLOSE(from_device(y, {rows, d}), expected[0], 2e-6);
  CHECK_CLOSE(from_device(dx, {rows, d}), expected[3], 4e-6);
  CHECK_CLOSE(from_device(db, {d}), expected[5], 2e-6);
}

// ---- dropout_add_layer_norm ----

namespace {

const Ticket kTicket{11, 12, 13};
constexpr double kFusedEps = 1e-12;

struct FusedInputs {
  Tensor x, residual, weight, bias, d_sum, d_normalised, dw;
};

template <class T>
FusedInputs fused_inputs(int64_t rows, int64_t d) {
  return {random_values<T>({rows, d}, 1),    random_values<T>({rows, d}, 2), random_normal({d}, 3, DType::f32),
          random_normal({d}, 4, DType::f32), random_values<T>({rows, d}, 5), random_values<T>({rows, d}, 6),
          random_normal({d}, 7, DType::f32)};
}

// sum, normalised, rstd, dx, d_residual, dw (added to), db. Without dropout dx is d_residual.
template <class T>
std::vector<Tensor> fused_on_gpu(const FusedInputs& in, int64_t rows, int64_t d, double p, bool direct) {
  const auto x = on_device<T>(in.x, "x"), residual = on_device<T>(in.residual, "residual");
  const auto weight = on_device<float>(in.weight, "weight"), bias = on_device<float>(in.bias, "bias");
  const auto d_sum = on_device<T>(in.d_sum, "d_sum"), d_normalised = on_device<T>(in.d_normalised, "d_normalised");
  DeviceArray<T> sum(rows * d, "sum"), normalised(rows * d, "normalised"), dx(rows * d, "dx"),
      d_residual(rows * d, "d_residual");
  DeviceArray<float> mean(2 * rows, "mean"), rstd(rows, "rstd"), db(d, "db");
  auto dw = on_device<float>(in.dw, "dw");
  DeviceArray<float> workspace(cuda::parameter_workspace(rows, d), "workspace");
  cuda::dropout_add_layer_norm(x.data(), residual.data(), weight.data(), bias.data(), sum.data(), normalised.data(),
                               mean.data(), rstd.data(), rows, d, static_cast<float>(kFusedEps), p, kTicket);
  cuda::dropout_add_layer_norm_backward(direct ? d_sum.data() : nullptr, d_normalised.data(), sum.data(), weight.data(),
                                        mean.data(), rstd.data(), dx.data(), d_residual.data(),
                                        {dw.data(), db.data(), true, false}, workspace.data(), rows, d, p, kTicket);
  const Shape shape{rows, d};
  return {from_device(sum, shape),
          from_device(normalised, shape),
          from_device(rstd, {rows}),
          from_device(p > 0 ? dx : d_residual, shape),
          from_device(d_residual, shape),
          from_device(dw, {d}),
          from_device(db, {d})};
}

}  // namespace

// The sum is bit for bit that of dropout and add in f32, rounded once; what follows is compared with the CPU's op in
// f64 on that sum. Bounds as of layer_norm; rows of rounded bf16 sums are as exact, since the reference starts from
// them. dx is d_residual rounded and scaled.
TEST_CASE("cuda dropout_add_layer_norm equals the CPU's") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const auto& [rows, d] : std::vector<std::pair<int64_t, int64_t>>{{0, 5}, {1, 4}, {5, 33}, {19, 64}, {3, 771}})
      for (const double p : {0.0, 0.1})
        for (const bool direct : {false, true}) {
          CAPTURE(rows);
          CAPTURE(d);
          CAPTURE(p);
          const FusedInputs in = fused_inputs<T>(rows, d);
          const std::vector<Tensor> got =
              in_three_orders([&, rows = rows, d = d] { return fused_on_gpu<T>(in, rows, d, p, direct); });
          const Tensor dropped = ops::dropout(in.x.to(DType::f32), p, kTicket);
          CHECK(same_bits(got[0], ops::add(in.residual.to(DType::f32), dropped).to(in.x.dtype())));
          const ops::LayerNorm forward = ops::layer_norm(wide(got[0]), wide(in.weight), wide(in.bias), kFusedEps);
          CHECK_CLOSE(got[1], forward.y, 2e-6);
          CHECK_CLOSE(got[2], forward.rstd, 1e-6);
          const Tensor dw = wide(in.dw).clone(), db = Tensor::empty_like(dw);
          const auto backward = ops::dropout_add_layer_norm_backward(
              direct ? wide(in.d_sum) : Tensor{}, wide(in.d_normalised), wide(got[0]), wide(in.weight), forward.mean,
              forward.rstd, p, kTicket, {dw, db, true, false});
          CHECK_CLOSE(got[4], backward.d_residual, 4e-6);
          CHECK_CLOSE(got[5], dw, 4e-6);
          CHECK_CLOSE(got[6], db, 2e-6);
          CHECK(same_bits(got[3], ops::dropout(got[4], p, kTicket)));
        }
  });
}

}  // namespace tessera::layer_norm_test
