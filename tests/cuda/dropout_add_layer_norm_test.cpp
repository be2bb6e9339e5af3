#include "tensor/ops/dropout_add_layer_norm.h"

#include "tensor/ops/dropout.h"
#include "tensor/ops/elementwise.h"
#include "tests/cuda/on_device.h"

namespace tessera::dropout_add_layer_norm_test {

using namespace tessera::test;

namespace {

const Ticket kTicket{11, 12, 13};
constexpr double kEps = 1e-12;

struct Inputs {
  Tensor x, residual, weight, bias, d_sum, d_normalised, dw;
};

template <class T>
Inputs inputs_of(int64_t rows, int64_t d) {
  return {random_values<T>({rows, d}, 1),    random_values<T>({rows, d}, 2), random_normal({d}, 3, DType::f32),
          random_normal({d}, 4, DType::f32), random_values<T>({rows, d}, 5), random_values<T>({rows, d}, 6),
          random_normal({d}, 7, DType::f32)};
}

// sum, normalised, rstd, dx, d_residual, dw (added to), db. Without dropout dx is d_residual.
template <class T>
std::vector<Tensor> on_gpu(const Inputs& in, int64_t rows, int64_t d, double p, bool direct) {
  const auto x = on_device<T>(in.x, "x"), residual = on_device<T>(in.residual, "residual");
  const auto weight = on_device<float>(in.weight, "weight"), bias = on_device<float>(in.bias, "bias");
  const auto d_sum = on_device<T>(in.d_sum, "d_sum"), d_normalised = on_device<T>(in.d_normalised, "d_normalised");
  DeviceArray<T> sum(rows * d, "sum"), normalised(rows * d, "normalised"), dx(rows * d, "dx"),
      d_residual(rows * d, "d_residual");
  DeviceArray<float> mean(2 * rows, "mean"), rstd(rows, "rstd"), db(d, "db");
  auto dw = on_device<float>(in.dw, "dw");
  DeviceArray<float> workspace(cuda::parameter_workspace(rows, d), "workspace");
  cuda::dropout_add_layer_norm(x.data(), residual.data(), weight.data(), bias.data(), sum.data(), normalised.data(),
                               mean.data(), rstd.data(), rows, d, static_cast<float>(kEps), p, kTicket);
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
          const Inputs in = inputs_of<T>(rows, d);
          const std::vector<Tensor> got =
              in_three_orders([&, rows = rows, d = d] { return on_gpu<T>(in, rows, d, p, direct); });
          const Tensor dropped = ops::dropout(in.x.to(DType::f32), p, kTicket);
          CHECK(same_bits(got[0], ops::add(in.residual.to(DType::f32), dropped).to(in.x.dtype())));
          const ops::LayerNorm forward = ops::layer_norm(wide(got[0]), wide(in.weight), wide(in.bias), kEps);
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

}  // namespace tessera::dropout_add_layer_norm_test
