// The functions of layers, rows, losses and transport on tensors of a GPU.
#include "tensor/cuda/deferred_errors.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/ops/global_norm.h"
#include "tensor/ops/ipot.h"
#include "tests/cuda/functions_on_gpu.h"
#include "tests/ops/marks.h"

namespace tessera::fused_functions_test {

using namespace tessera::test;

namespace {

const Ticket kTicket{31, 32, 33};

Tensor f32(const Shape& shape, uint64_t seed) { return random_normal(shape, seed, DType::f32); }

}  // namespace

// Bounds: those of the kernels' own tests.
TEST_CASE("layers on a GPU: softmax, layer_norm, dropout") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const int64_t rows : {0, 3}) {
      const Tensor x = random_values<T>({rows, 2, 33}, 1), residual = random_values<T>({rows, 2, 33}, 2);
      const Tensor weight = f32({33}, 3), bias = f32({33}, 4);
      const Tensor mask = Tensor::from(std::vector<int64_t>{1, 0}, {2, 1});
      check_on_gpu([](const auto& v) -> std::vector<Variable> { return {softmax(v[0])}; }, {x}, 1e-6);
      check_on_gpu([&](const auto& v) -> std::vector<Variable> { return {masked_softmax(v[0], mask)}; }, {x}, 1e-6);
      check_on_gpu([](const auto& v) -> std::vector<Variable> { return {layer_norm(v[0], v[1], v[2], 1e-5)}; },
                   {x, weight, bias}, 4e-6);
      check_on_gpu([](const auto& v) -> std::vector<Variable> { return {dropout(v[0], 0.3, kTicket)}; }, {x}, 1e-7);
      for (const double p : {0.0, 0.3})
        check_on_gpu(
            [&](const auto& v) -> std::vector<Variable> {
              const AddLayerNorm y = dropout_add_layer_norm(v[0], v[1], v[2], v[3], 1e-5, p, kTicket);
              return {y.sum, y.normalised};
            },
            {x, residual, weight, bias}, 4e-6);
    }
  });
}

TEST_CASE("dropout_add_layer_norm on a GPU whose normalised result has no gradient") {
  for (const double p : {0.0, 0.3})
    check_on_gpu(
        [&](const auto& v) -> std::vector<Variable> {
          return {dropout_add_layer_norm(v[0], v[1], v[2], v[3], 1e-5, p, kTicket).sum};
        },
        {f32({3, 5}, 1), f32({3, 5}, 2), f32({5}, 3), f32({5}, 4)}, 1e-7);
}

TEST_CASE("rows on a GPU: embedding, gather_rows, interpolate_rows, embed_tokens") {
  const Tensor ids = Tensor::from(std::vector<int64_t>{4, 0, 4, 2, 1, 4}, {2, 3});
  const Tensor index = Tensor::from(std::vector<int64_t>{6, 0, 5, 6, 3});
  const Tensor types = Tensor::from(std::vector<int64_t>{0, 1, 1, 0, 1});
  for_float_and_bf16([&](auto tag) {
    using T = decltype(tag);
    const Tensor a = random_values<T>({5, 9}, 1), b = random_values<T>({2, 9}, 2);
    check_on_gpu([&](const auto& v) -> std::vector<Variable> { return {embedding(v[0], ids)}; }, {a}, 1e-6);
    check_on_gpu(
        [&](const auto& v) -> std::vector<Variable> {
          return {gather_rows({v[0], v[1]}, index)};
        },
        {a, b}, 1e-6);
  });
  const Tensor weight = f32({2, 3}, 3);
  check_on_gpu(
      [&](const auto& v) -> std::vector<Variable> { return {interpolate_rows(v[0], ids, weight.to(v[0].dtype()))}; },
      {f32({5, 9}, 1)}, 1e-6);
  for (const double p : {0.0, 0.3})
    for (const DType dtype : {DType::f32, DType::bf16})
      check_on_gpu(
          [&](const auto& v) -> std::vector<Variable> {
            const DType result = v[0].dtype() == DType::f64 ? DType::f64 : dtype;
            return {embed_tokens({v[0], v[1]}, index, v[2], types, p, kTicket, result)};
          },
          {f32({5, 9}, 1), f32({2, 9}, 2), f32({2, 9}, 3)}, 1e-6);
}

TEST_CASE("losses on a GPU: cross_entropy, bce_with_logits") {
  const Tensor labels = Tensor::from(std::vector<int64_t>{3, -100, 0, 18});
  Tensor targets = Tensor::zeros({4, 19});
  targets.mutable_data<float>()[5] = 0.3f;
  targets.mutable_data<float>()[40] = 1;
  for_float_and_bf16([&](auto tag) {
    const Tensor logits = random_values<decltype(tag)>({4, 19}, 1);
    for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
      check_on_gpu([&](const auto& v) -> std::vector<Variable> { return {cross_entropy(v[0], labels, reduction)}; },
                   {logits}, 2e-6);
      check_on_gpu(
          [&](const auto& v) -> std::vector<Variable> {
            const bool f64 = v[0].dtype() == DType::f64;
            return {bce_with_logits(v[0], f64 ? wide(targets) : targets, reduction)};
          },
          {logits}, 1e-6);
    }
  });
  const Variable logits(f32({4, 19}, 1).to(kGpu));
  targets.mutable_data<float>()[7] = 2;
  CHECK_THROWS_WITH_AS(bce_with_logits(logits, targets), "bce_with_logits: target 7 is 2, expected 0 to 1", Error);
}

TEST_CASE("transport on a GPU: cosine_cost, ipot, transport_distance") {
  const std::vector<int64_t> lengths{5, 0, 3}, others{4, 2, 7};
  const Tensor cu_x = marks(lengths), cu_y = marks(others), plan = f32({5 * 4 + 3 * 7}, 3);
  check_on_gpu([&](const auto& v) -> std::vector<Variable> { return {cosine_cost(v[0], v[1], cu_x, cu_y)}; },
               {f32({8, 13}, 1), f32({13, 13}, 2)}, 2e-6);
  check_on_gpu([&](const auto& v) -> std::vector<Variable> { return {cosine_cost(v[0], v[1])}; },
               {f32({8, 13}, 1), f32({13, 13}, 2)}, 2e-6);
  check_on_gpu(
      [&](const auto& v) -> std::vector<Variable> {
        return {transport_distance(v[0], plan.to(v[0].dtype()).to(v[0].value().device()), cu_x, cu_y)};
      },
      {f32({41}, 1)}, 1e-6);
  check_on_gpu(
      [&](const auto& v) -> std::vector<Variable> {
        return {transport_distance(v[0], wide(plan).to(v[0].value().device()), cu_x, cu_y)};
      },
      {wide(f32({41}, 1))}, 1e-14);
  const Tensor cost = f32({41}, 5);
  const Tensor on_gpu = ops::ipot(cost.to(kGpu), cu_x, cu_y, 0.5, 20);
  CHECK(on_gpu.on_cuda());
  CHECK_CLOSE(on_gpu.to(Device{}), ops::ipot(wide(cost), cu_x, cu_y, 0.5, 20), 1e-5);
}

// The plans, and with them the gradients, differ by the f32 iterations' rounding, as in ipot's own test.
TEST_CASE("the alignment loss on a GPU, from hidden states to their gradients") {
  const Tensor cu_x = marks({5, 3}), cu_y = marks({4, 7});
  check_on_gpu(
      [&](const auto& v) -> std::vector<Variable> {
        const Variable cost = cosine_cost(v[0], v[1], cu_x, cu_y);
        const Tensor plan = ops::ipot(cost.value(), cu_x, cu_y, 0.5, 50);
        const Variable distance = transport_distance(cast(cost, DType::f64), plan.to(DType::f64), cu_x, cu_y);
        const Variable sign(Tensor::from(std::vector<double>{1, -1}).to(cost.value().device()));
        return {cast(sum(distance * sign) * 0.5, cost.dtype())};
      },
      {f32({8, 13}, 1), f32({11, 13}, 2)}, 1e-5);
}

TEST_CASE("ipot on a GPU tells a beta that is too small where errors are asked for, once, in the CPU's words") {
  const Tensor cost = Tensor::from(std::vector<float>{0, 1, 2, 0.5f, 1, 0}), cu_x = marks({2}), cu_y = marks({3});
  cuda::check_deferred_errors();
  std::string expected;
  try {
    ops::ipot(cost, cu_x, cu_y, 0.001, 3);
  } catch (const Error& error) {
    expected = error.what();
  }
  REQUIRE(!expected.empty());
  const int64_t before = cuda::counters().synchronisations;
  const Tensor plan = ops::ipot(cost.to(kGpu), cu_x, cu_y, 0.001, 3);
  CHECK(cuda::counters().synchronisations == before);
  CHECK(std::isnan(plan.to_vector<float>()[0]));
  CHECK_THROWS_WITH_AS(cuda::check_deferred_errors(), expected.c_str(), Error);
  cuda::check_deferred_errors();
  ops::ipot(cost.to(kGpu), cu_x, cu_y, 0.5, 3);
  cuda::check_deferred_errors();
}

TEST_CASE("global_norm of a tensor on a GPU") {
  const Tensor x = f32({1001}, 1);
  CHECK(ops::global_norm(x.to(kGpu)) == doctest::Approx(ops::global_norm(x)).epsilon(1e-12));
}

TEST_CASE("sorted entries and offsets on the GPU are kept until their tensors are modified") {
  Tensor index = Tensor::from(std::vector<int64_t>{1, 0, 1}), columns = marks({3});
  const auto starts = [&](int64_t rows) { return cuda::segments_on_device(index, rows).segments.starts; };
  CHECK(starts(2) == starts(2));
  CHECK(starts(2) != starts(3));
  const int64_t* kept = starts(2);
  const Tensor rows = marks({2});
  const auto offsets = [&] { return cuda::offsets_on_device(rows, columns, {0, 6}).device_data<int64_t>(); };
  const Tensor held = cuda::offsets_on_device(rows, columns, {0, 6});
  CHECK(offsets() == held.device_data<int64_t>());
  const cuda::SegmentsOnDevice alive = cuda::segments_on_device(index, 2);
  index.mutable_data<int64_t>()[0] = 0;
  columns.mutable_data<int64_t>()[1] = 4;
  CHECK(starts(2) != kept);
  CHECK(offsets() != held.device_data<int64_t>());
}

}  // namespace tessera::fused_functions_test
