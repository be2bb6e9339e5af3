// AdamW writes packed copies as it goes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "autograd/gradcheck.h"
#include "tensor/gemm/packed/weight_copies.h"
#include "tensor/ops/adamw.h"
#include "tensor/parallel.h"
#include "tests/tensor/gemm/packed/every_kernel.h"

namespace tessera::adamw_packing_test {

using ops::AdamWSlice;

namespace {

constexpr PackedForm kForms[] = {PackedForm::bf16, PackedForm::split};

// Parameters of odd shapes in one arena, 16-aligned, with copies as products would leave them.
struct Arena {
  Tensor p, m, v;
  std::vector<Tensor> parameters;

  explicit Arena(const std::vector<Shape>& shapes) {
    int64_t end = 0;
    for (const Shape& shape : shapes) end += (shape.numel() + 15) / 16 * 16;
    p = random_normal({end}, 1, DType::f32);
    m = Tensor::zeros_like(p);
    v = Tensor::zeros_like(p);
    int64_t at = 0;
    for (const Shape& shape : shapes) {
      parameters.push_back(p.narrow(0, at, shape.numel()).view(shape).as_root());
      at += (shape.numel() + 15) / 16 * 16;
    }
  }

  void step(const std::vector<AdamWSlice>& slices, int number, bool with_copies = true) {
    const Tensor g = random_normal(p.shape(), 10 + static_cast<uint64_t>(number), DType::f32);
    ops::adamw_(p, g, m, v, slices, {.number = number}, with_copies ? std::span(parameters) : std::span<Tensor>());
  }
};

const std::vector<Shape> kShapes{{70},     {64, 96}, {1, 1},     {33, 50},  {0, 5},
                                 {31, 17}, {5},      {100, 300}, {300, 31}, {2, 700}};

std::vector<uint16_t> bits(const PackedMatrix& packed) { return {packed.data(), packed.data() + packed.bytes() / 2}; }

std::vector<uint32_t> bits(const Tensor& tensor) {
  std::vector<uint32_t> out(static_cast<size_t>(tensor.numel()));
  std::memcpy(out.data(), tensor.data<float>(), out.size() * 4);
  return out;
}

void use_all(const Arena& arena) {
  for (const Tensor& parameter : arena.parameters)
    if (parameter.dim() == 2)
      for (const PackedForm form : kForms)
        for (const bool transpose : {false, true}) packed_weight(parameter, transpose, form);
}

// Every copy is as of its parameter's version, and equals what `refresh` would pack.
void check_copies(const Arena& arena) {
  for (const Tensor& parameter : arena.parameters) {
    if (parameter.dim() != 2 || parameter.numel() == 0) continue;
    CAPTURE(parameter.shape());
    for (const PackedForm form : kForms)
      for (const bool transpose : {false, true}) {
        const PackedMatrix& copy = existing_copies(parameter)->at(transpose, form);
        CHECK(copy.version() == parameter.version());
        PackedMatrix fresh;
        fresh.refresh(parameter, transpose, form);
        CHECK(bits(copy) == bits(fresh));
      }
  }
}

}  // namespace

TEST_CASE("adamw: packed copies equal those packed afterwards, values and moments those of the plain pass") {
  const int before = thread_count();
  with_every_instruction_set([] {
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      Arena with(kShapes), without(kShapes);
      const int64_t end = with.p.numel();
      // Slices that begin and end within bands; some elements are in none.
      const std::vector<AdamWSlice> slices{{0, 100, 0.1, 0}, {120, 7000, 0.01, 0.3}, {7001, end - 900, 0.02, 0.1}};
      for (int number = 1; number <= 2; ++number) {
        use_all(with);
        with.step(slices, number);
        without.step(slices, number, false);
      }
      CHECK(bits(with.p) == bits(without.p));
      CHECK(bits(with.m) == bits(without.m));
      CHECK(bits(with.v) == bits(without.v));
      check_copies(with);
    }
  });
  set_thread_count(before);
}

TEST_CASE("adamw: a weight of many pieces, with infinities, NaN and denormal numbers") {
  Arena arena({{1200, 700}});
  float* values = arena.p.mutable_data<float>();
  const float special[] = {INFINITY, -INFINITY, NAN, 1e-40f, -1e-40f, 3.4e38f, -0.0f};
  for (int64_t i = 0; i < arena.p.numel(); i += 97) values[i] = special[i % 7];
  use_all(arena);
  arena.step({{0, arena.p.numel(), 1e-3, 0}}, 1);
  check_copies(arena);
}

TEST_CASE("adamw: a copy that has not been used since the last update is dropped, and packed when it is asked for") {
  Arena arena({{40, 50}});
  const Tensor& weight = arena.parameters[0];
  const std::vector<AdamWSlice> slices{{0, arena.p.numel(), 0.01, 0}};
  packed_weight(weight, true);
  packed_weight(weight, false);
  arena.step(slices, 1);
  const auto copies = existing_copies(weight);
  CHECK(copies->at(true, PackedForm::bf16).version() == weight.version());
  CHECK(copies->at(false, PackedForm::bf16).version() == weight.version());
  packed_weight(weight, true);
  arena.step(slices, 2);
  CHECK(copies->at(true, PackedForm::bf16).version() == weight.version());
  CHECK(!copies->at(false, PackedForm::bf16).defined());
  PackedMatrix fresh;
  fresh.refresh(weight, false);
  CHECK(bits(*packed_weight(weight, false)) == bits(fresh));
  arena.step(slices, 3);
  arena.step(slices, 4);
  CHECK(!copies->at(true, PackedForm::bf16).defined());
}

TEST_CASE("adamw: copies of views of a parameter") {
  // A patch projection is a matrix to the products and has four dimensions as a parameter; half a parameter is not
  // written.
  Arena arena({{48, 3, 4, 4}, {64, 20}});
  const Tensor matrix = arena.parameters[0].view({48, 48}), half = arena.parameters[1].narrow(0, 32, 32);
  packed_weight(matrix, true);
  packed_weight(half, true);
  arena.step({{0, arena.p.numel(), 0.01, 0}}, 1);
  CHECK(existing_copies(matrix)->at(true, PackedForm::bf16).version() == matrix.version());
  for (const Tensor& view : {matrix, half}) {
    PackedMatrix fresh;
    fresh.refresh(view, true);
    CHECK(bits(*packed_weight(view, true)) == bits(fresh));
  }
}

TEST_CASE("adamw: parameters that are not in the arena, or not in order") {
  Arena arena({{4, 4}, {2, 8}});
  std::swap(arena.parameters[0], arena.parameters[1]);
  CHECK_THROWS_WITH(arena.step({{0, 32, 0.1, 0}}, 1),
                    "adamw: parameter f32 [4, 4] lies outside of the values, overlaps another or is not in order");
  arena.parameters = {Tensor::zeros({4, 4})};
  CHECK_THROWS_WITH(arena.step({{0, 32, 0.1, 0}}, 1),
                    "adamw: parameter f32 [4, 4] lies outside of the values, overlaps another or is not in order");
}

}  // namespace tessera::adamw_packing_test
