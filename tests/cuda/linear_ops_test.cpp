// The ops of linear.h, mlp.h and matmul.h on tensors on the GPU against the same on the CPU, in f64 on the values that
// the GPU multiplies: in bf16, weights and biases are rounded first.
#include "autograd/functions.h"
#include "tensor/cuda/bf16_copies.h"
#include "tensor/cuda/memory.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/linear.h"
#include "tensor/ops/matmul.h"
#include "tensor/ops/mlp.h"
#include "tests/cuda/on_device.h"

namespace tessera::linear_ops_test {

using namespace tessera::test;

namespace {

constexpr Device kGpu{Device::cuda, 0};
const Ticket kTicket{0x123456789abcdef0u, 5, 7};
// Sums of up to 70 products of size 1, in f32, as in matmul_test.cpp.
constexpr double kArithmetic = 2e-6;

Tensor on_gpu(const Tensor& x) { return x.defined() ? x.to(kGpu) : x; }
Tensor on_cpu(const Tensor& x) { return x.defined() ? x.to(Device{}) : x; }

// What T's products make of an f32 parameter, in f64.
template <class T>
Tensor seen(const Tensor& parameter) {
  return parameter.defined() ? wide(parameter.to(dtype_of<T>::value)) : parameter;
}

Tensor parameter(const Shape& shape, uint64_t seed) { return random_normal(shape, seed, DType::f32); }

// f(accumulate, gradient) on the GPU into fresh memory and added to `before`; the two are compared with `exact`.
template <class F>
void check_gradient(const Tensor& exact, F f) {
  const Tensor before = parameter(exact.shape(), 99);
  Tensor written = Tensor::empty(exact.shape(), DType::f32, kGpu), added = on_gpu(before);
  f(false, written);
  f(true, added);
  CHECK_CLOSE(on_cpu(written), exact, kArithmetic);
  CHECK_CLOSE(on_cpu(added), ops::add(exact, wide(before)), kArithmetic);
}

}  // namespace

TEST_CASE("cuda linear, forward and all gradients, equals the CPU's") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const Shape& shape : {Shape{9, 7}, Shape{2, 5, 8}, Shape{0, 3}, Shape{4, 0}, Shape{1}})
      for (const bool with_bias : {true, false}) {
        CAPTURE(shape);
        const int64_t in = shape[shape.dim() - 1], out = 11;
        const Tensor x = random_values<T>(shape, 1), w = parameter({out, in}, 2);
        const Tensor b = with_bias ? parameter({out}, 3) : Tensor{};
        const Tensor gx = on_gpu(x), gw = on_gpu(w), gb = on_gpu(b);
        const Tensor y = ops::linear(gx, gw, gb);
        CHECK_CLOSE(on_cpu(y), ops::linear(wide(x), seen<T>(w), seen<T>(b)), kArithmetic);

        const Tensor dy = random_values<T>(y.shape(), 4), gdy = on_gpu(dy);
        CHECK_CLOSE(on_cpu(ops::linear_data_gradient(gdy, gw)), ops::linear_data_gradient(wide(dy), seen<T>(w)),
                    kArithmetic);
        Tensor dw = Tensor::empty({out, in}, DType::f64), db = Tensor::empty({out}, DType::f64);
        ops::linear_weight_gradient_(dw, wide(dy), wide(x), false);
        ops::column_sums_(db, wide(dy), false);
        check_gradient(dw, [&](bool accumulate, Tensor& to) { ops::linear_weight_gradient_(to, gdy, gx, accumulate); });
        check_gradient(db, [&](bool accumulate, Tensor& to) { ops::column_sums_(to, gdy, accumulate); });
      }
  });
}

TEST_CASE("cuda linear reads rows with gaps and transposed weights in place") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    const Tensor rows = random_values<T>({6, 12}, 1), w = parameter({5, 4}, 2);
    const Tensor got = ops::linear(on_gpu(rows).narrow(1, 3, 5), on_gpu(w).transpose(0, 1), {});
    CHECK_CLOSE(on_cpu(got), ops::linear(wide(rows).narrow(1, 3, 5), seen<T>(w).transpose(0, 1), {}), kArithmetic);
  });
}

TEST_CASE("cuda linear_gelu, forward and the gradient before it, equals the CPU's") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    const int64_t rows = 21, in = 6, out = 10;
    const Tensor x = random_values<T>({rows, in}, 1), w = parameter({out, in}, 2), b = parameter({out}, 3);
    const ops::LinearGelu got = ops::linear_gelu(on_gpu(x), on_gpu(w), on_gpu(b));
    const Tensor before = on_cpu(got.before), dy = random_values<T>({rows, out}, 4);
    CHECK_CLOSE(before, ops::linear(wide(x), seen<T>(w), seen<T>(b)), kArithmetic);
    CHECK_CLOSE(on_cpu(got.y), ops::gelu(wide(before)), kArithmetic);  // of the rounded values
    Tensor da, db = Tensor::empty({out}, DType::f64);
    da = ops::gelu_gradient(wide(dy), wide(before), db, false);
    check_gradient(db, [&](bool accumulate, Tensor& to) {
      CHECK_CLOSE(on_cpu(ops::gelu_gradient(on_gpu(dy), got.before, to, accumulate)), da, kArithmetic);
    });
    CHECK_CLOSE(on_cpu(ops::gelu_gradient(on_gpu(dy), got.before, {}, false)), da, kArithmetic);
  });
}

// Against f64. Of bf16 the hidden layer (a, then h), its gradient (dy W₂, then da) and what is stored are rounded: up
// to five roundings of 2^-9 of either sign on the way to any result, which sums of 20 terms and the derivative of GELU
// (at most 1.13) do not make larger than 2^-6 of the largest result.
TEST_CASE("cuda mlp, forward and all gradients, equals the CPU's") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    const double bound = std::is_same_v<T, bf16> ? 0x1p-6 : 4 * kArithmetic;
    for (const double p : {0.0, 0.3})
      for (const bool with_bias : {true, false}) {
        CAPTURE(p);
        CAPTURE(with_bias);
        const int64_t rows = 19, d = 6, width = 20;
        const Tensor x = random_values<T>({rows, d}, 1), dy = random_values<T>({rows, d}, 2);
        const ops::LinearParameters first{parameter({width, d}, 3), with_bias ? parameter({width}, 4) : Tensor{}};
        const ops::LinearParameters second{parameter({d, width}, 5), with_bias ? parameter({d}, 6) : Tensor{}};
        const ops::LinearParameters first_gpu{on_gpu(first.weight), on_gpu(first.bias)};
        const ops::LinearParameters second_gpu{on_gpu(second.weight), on_gpu(second.bias)};
        const ops::Mlp exact = ops::mlp(wide(x), {seen<T>(first.weight), seen<T>(first.bias)},
                                        {seen<T>(second.weight), seen<T>(second.bias)}, p, kTicket);
        const ops::Mlp got = ops::mlp(on_gpu(x), first_gpu, second_gpu, p, kTicket);
        CHECK_CLOSE(on_cpu(got.before), exact.before, kArithmetic);
        CHECK_CLOSE(on_cpu(got.y), exact.y, bound);
        const ops::Mlp unkept = ops::mlp(on_gpu(x), first_gpu, second_gpu, p, kTicket, false);
        CHECK(!unkept.before.defined());
        CHECK(same_bits(on_cpu(unkept.y), on_cpu(got.y)));

        const auto places = [&](DType dtype, Device device, bool accumulate) {
          std::vector<ops::ParameterGradients> result;
          for (const ops::LinearParameters* layer : {&first, &second})
            result.push_back({Tensor::zeros(layer->weight.shape(), dtype, device),
                              with_bias ? Tensor::zeros({layer->weight.size(0)}, dtype, device) : Tensor{}, accumulate,
                              accumulate});
          return result;
        };
        auto expected = places(DType::f64, {}, false);
        const Tensor dx = ops::mlp_backward(wide(dy), wide(x), exact.before, seen<T>(first.weight),
                                            seen<T>(second.weight), p, kTicket, expected[0], expected[1]);
        auto gradients = places(DType::f32, kGpu, true);
        for (int pass = 1; pass <= 2; ++pass) {
          const Tensor got_dx = ops::mlp_backward(on_gpu(dy), on_gpu(x), got.before, first_gpu.weight,
                                                  second_gpu.weight, p, kTicket, gradients[0], gradients[1], pass == 1);
          CHECK(got_dx.defined() == (pass == 1));
          if (pass == 1) CHECK_CLOSE(on_cpu(got_dx), dx, bound);
          for (size_t layer = 0; layer < 2; ++layer) {
            CHECK_CLOSE(on_cpu(gradients[layer].dweight), ops::mul(expected[layer].dweight, pass), bound);
            if (with_bias) CHECK_CLOSE(on_cpu(gradients[layer].dbias), ops::mul(expected[layer].dbias, pass), bound);
          }
        }
      }
  });
}

TEST_CASE("cuda matmul and its gradients broadcast, read transposed views and equal the CPU's") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    struct Case {
      Shape a, b;
    };
    for (const auto& [a_shape, b_shape] : {Case{{4, 5}, {5, 3}}, Case{{2, 3, 4, 5}, {2, 3, 5, 6}},
                                           Case{{3, 1, 4, 5}, {2, 5, 6}}, Case{{2, 3, 4, 5}, {2, 1, 5, 6}},
                                           Case{{2, 4, 5}, {5, 6}}, Case{{0, 4, 5}, {5, 6}}, Case{{2, 4, 0}, {0, 6}}}) {
      CAPTURE(a_shape);
      CAPTURE(b_shape);
      const Tensor a = random_values<T>(a_shape, 1), b = random_values<T>(b_shape, 2);
      const Tensor exact = ops::matmul(wide(a), wide(b));
      CHECK_CLOSE(on_cpu(ops::matmul(on_gpu(a), on_gpu(b))), exact, kArithmetic);
      const Tensor a_turned = on_gpu(a.transpose(-1, -2).contiguous()).transpose(-1, -2);
      const Tensor b_turned = on_gpu(b.transpose(-1, -2).contiguous()).transpose(-1, -2);
      CHECK_CLOSE(on_cpu(ops::matmul(a_turned, b_turned)), exact, kArithmetic);

      // Gradients that were broadcast are sums of up to three products; in bf16 those are rounded before.
      const double bound = std::is_same_v<T, bf16> ? 0x1p-7 : 2 * kArithmetic;
      const Tensor dy = random_values<T>(exact.shape(), 3);
      const Tensor da = ops::matmul_gradient_a(on_gpu(dy), on_gpu(a), on_gpu(b));
      const Tensor db = ops::matmul_gradient_b(on_gpu(dy), on_gpu(a), on_gpu(b));
      CHECK_CLOSE(on_cpu(da), ops::matmul_gradient_a(wide(dy), wide(a), wide(b)), bound);
      CHECK_CLOSE(on_cpu(db), ops::matmul_gradient_b(wide(dy), wide(a), wide(b)), bound);
    }
  });
}

// In precision `highest`; a chain of three products, of sums of up to 24 terms, errs by less than four of them alone.
TEST_CASE("cuda layers on the tape equal the CPU's, and their steps never wait for the GPU") {
  std::vector<Tensor> host;
  for (const Shape& shape :
       {Shape{2, 5, 6}, Shape{8, 6}, Shape{8}, Shape{24, 8}, Shape{24}, Shape{4, 24}, Shape{4}, Shape{4, 3}})
    host.push_back(parameter(shape, host.size() + 1));
  const auto results = [&](DType dtype, Device device) {
    std::vector<Variable> leaves;
    for (const Tensor& tensor : host) leaves.emplace_back(tensor.to(dtype).to(device), true);
    const Tensor cotangent = wide(parameter({2, 5, 3}, 9)).to(dtype).to(device);
    const int64_t before = cuda::counters().synchronisations;
    const Variable hidden = linear_gelu(leaves[0], leaves[1], leaves[2]);
    const Variable y = matmul(mlp(hidden, leaves[3], leaves[4], leaves[5], leaves[6], 0.2, kTicket), leaves[7]);
    y.backward(cotangent);
    CHECK(cuda::counters().synchronisations == before);
    std::vector<Tensor> tensors{on_cpu(y.value())};
    for (const Variable& leaf : leaves) tensors.push_back(on_cpu(leaf.grad()));
    return tensors;
  };
  const std::vector<Tensor> exact = results(DType::f64, {});
  const std::vector<Tensor> got = in_three_orders([&] { return results(DType::f32, kGpu); });
  for (size_t i = 0; i < exact.size(); ++i) CHECK_CLOSE(got[i], exact[i], 4 * kArithmetic);
}

TEST_CASE("cuda products refuse f64 by name") {
  const Tensor x = on_gpu(Tensor::zeros({2, 2}, DType::f64));
  CHECK_THROWS_WITH_AS(ops::linear(x, x, {}), "linear: dtype is f64, expected f32 or bf16 on a GPU", Error);
  CHECK_THROWS_WITH_AS(ops::matmul(x, x), "matmul: dtype is f64, expected f32 or bf16 on a GPU", Error);
}

TEST_CASE("The bf16 copy of a weight on a GPU is made once for each version, and shared by views") {
  const Tensor w = parameter({6, 4}, 1), expected = w.to(DType::bf16);
  Tensor gpu = on_gpu(w);
  const Tensor copy = cuda::bf16_copy(gpu);
  CHECK(same_bits(on_cpu(copy), expected));
  const auto memory_of = [](const Tensor& x) { return x.device_data<bf16>(); };
  CHECK(memory_of(cuda::bf16_copy(gpu.view({2, 12}))) == memory_of(copy));
  CHECK(memory_of(cuda::bf16_copy(gpu.narrow(0, 2, 3))) == memory_of(copy) + 8);
  const Tensor turned = cuda::bf16_copy(gpu.transpose(0, 1));
  CHECK(turned.shape() == Shape{4, 6});
  CHECK(memory_of(turned) == memory_of(copy));
  gpu.copy_(on_gpu(ops::mul(w, 2)));
  CHECK(same_bits(on_cpu(cuda::bf16_copy(gpu)), ops::mul(w, 2).to(DType::bf16)));
  CHECK_THROWS_WITH_AS(cuda::bf16_copy(w), "bf16_copy: weight is f32 [6, 4], expected f32 on a GPU", Error);
}

TEST_CASE("The bf16 copies that products use become parts of one arena, and those that none uses are dropped") {
  const Tensor host = parameter({40}, 1);
  Tensor values = on_gpu(host);
  std::vector<Tensor> parameters{values.narrow(0, 0, 12).as_root().view({3, 4}), values.narrow(0, 16, 24).as_root()};
  CHECK(!cuda::bf16_arena_in_use(values, parameters).defined());
  cuda::bf16_copy(parameters[1]);

  // An update: doubles everything, the arena of copies too.
  const auto update = [&](double factor) {
    Tensor arena = cuda::bf16_arena_in_use(values, parameters);
    const Tensor updated = ops::mul(host, factor);
    values.copy_(on_gpu(updated));
    if (arena.defined()) arena.copy_(on_gpu(updated.to(DType::bf16)));
    for (Tensor& p : parameters) p.bump_version();
    if (arena.defined()) cuda::mark_bf16_copies(parameters);
    return arena;
  };
  // Right already before an update, which may turn out to change nothing.
  Tensor copies = cuda::bf16_arena_in_use(values, parameters);
  CHECK(same_bits(on_cpu(copies.narrow(0, 16, 24)), host.narrow(0, 16, 24).to(DType::bf16)));
  CHECK(same_bits(on_cpu(copies.narrow(0, 0, 12)), host.narrow(0, 0, 12).to(DType::bf16)));
  cuda::bf16_copy(parameters[1]);
  const Tensor arena = update(2);
  REQUIRE(arena.defined());
  CHECK(arena.shape() == Shape{40});
  for (size_t i = 0; i < 2; ++i) {
    const Tensor copy = cuda::bf16_copy(parameters[i]);
    CHECK(copy.device_data<bf16>() == arena.device_data<bf16>() + (i == 0 ? 0 : 16));
    CHECK(same_bits(on_cpu(copy), on_cpu(parameters[i]).to(DType::bf16)));
  }
  CHECK(update(3).device_data<bf16>() == arena.device_data<bf16>());
  // Changed by something else than an update: rounded anew, where it lies.
  parameters[0].copy_(on_gpu(Tensor::full({3, 4}, 5)));
  CHECK(same_bits(on_cpu(cuda::bf16_copy(parameters[0])), Tensor::full({3, 4}, 5, DType::bf16)));
  CHECK(update(4).defined());
  CHECK(!update(5).defined());  // none was used since
  CHECK(same_bits(on_cpu(cuda::bf16_copy(parameters[1])), on_cpu(parameters[1]).to(DType::bf16)));
}

}  // namespace tessera::linear_ops_test
