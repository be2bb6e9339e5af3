// Copies and fills of tensors on a GPU, of any strides and types.
#include "tensor/cuda/memory.h"
#include "tensor/cuda/strided.h"
#include "tests/cuda/on_device.h"

namespace tessera::copy_test {

using namespace tessera::test;

namespace {

constexpr Device kGpu{Device::cuda, 0};

// Whole numbers 0 .. 120, which every type holds exactly, and for floating types fractions too, which bf16 rounds.
Tensor numbers(const Shape& shape, DType dtype) {
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>(i * 37 % 121) + (is_floating(dtype) ? 0.3125 + 0.001 * static_cast<double>(i) : 0);
  return Tensor::from(values, shape).to(dtype);
}

constexpr DType kDTypes[] = {DType::f32, DType::bf16, DType::f64, DType::i64, DType::u8};

// A tensor of the same elements whose memory a view leaves gaps in: every second column, from the second on.
Tensor every_second(const Tensor& x) {
  Shape wide = x.shape();
  wide.push_back(2);
  Tensor holder = Tensor::full(wide, 7, x.dtype(), x.device());
  Tensor view = holder.select(-1, 1);
  view.copy_(x);
  return view;
}

}  // namespace

TEST_CASE("cuda division by multiplication is exact") {
  for (const unsigned d :
       {1u, 2u, 3u, 5u, 7u, 64u, 641u, 768u, 30522u, 65537u, (1u << 30) - 1, 1u << 30, (1u << 31) - 1}) {
    const cuda::Divisor divisor(d);
    std::vector<unsigned> numbers{0, 1, d - 1, d, (1u << 31) - 1, (1u << 31) - 2, 1u << 30, 123456789};
    for (const unsigned multiple : {2u, 3u, 1000u, 65535u})
      if (uint64_t{d} * multiple < (1u << 31)) numbers.insert(numbers.end(), {d * multiple - 1, d * multiple});
    for (const unsigned n : numbers) CHECK(divisor.quotient(n) == n / d);
  }
}

// What exceeds the limit is cut in two until it does not; each element lies in one part, at its place.
TEST_CASE("cuda layouts are merged, and cut into parts that kernels can count") {
  const Shape shape{3, 1, 5, 4}, contiguous = contiguous_strides(shape), by_columns{1, 7, 3, 15};
  CHECK(cuda::Layout<1>(shape, {contiguous}).dims == 1);
  CHECK(cuda::Layout<2>(shape, {contiguous, Shape{25, 0, 4, 1}}).dims == 2);
  CHECK(cuda::Layout<2>(shape, {contiguous, by_columns}).dims == 3);
  CHECK(cuda::Layout<1>({}, {Shape{}}).count() == 1);
  CHECK(cuda::Layout<1>({1, 1}, {Shape{5, 5}}).count() == 1);
  const cuda::Layout<2> whole(shape, {contiguous, by_columns});
  for (const int64_t most : {1, 2, 7, 60}) {
    std::vector<int64_t> places;
    int64_t parts = 0;
    whole.for_each_part(
        [&](const cuda::Layout<2>& part, const std::array<int64_t, 2>& first) {
          ++parts;
          CHECK(part.count() <= most);
          const cuda::Walk<2> walk(part, 1);
          for (unsigned unit = 0; unit < walk.units; ++unit) {
            int64_t at[2];
            walk.find(unit, at);
            places.push_back(first[0] + at[0]);
            const int64_t i = places.back();
            CHECK(first[1] + at[1] == i / 20 + i / 4 % 5 * 3 + i % 4 * 15);
          }
        },
        most);
    CHECK(parts >= 60 / most);
    std::sort(places.begin(), places.end());
    REQUIRE(places.size() == 60);
    for (int64_t i = 0; i < 60; ++i) CHECK(places[static_cast<size_t>(i)] == i);
  }
}

TEST_CASE("cuda copies convert as the CPU does, whatever the strides on either side") {
  for (const DType from : kDTypes)
    for (const DType to : kDTypes)
      for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{1}, Shape{37}, Shape{3, 5}, Shape{4, 32}}) {
        CAPTURE(from);
        CAPTURE(to);
        CAPTURE(shape);
        const Tensor host = numbers(shape, from), there = host.to(kGpu);
        const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
          Tensor plain = Tensor::empty(shape, to, kGpu);
          plain.copy_(there);
          Tensor gaps = every_second(plain);
          gaps.copy_(every_second(there));
          std::vector<Tensor> results{plain.to(Device{}), gaps.to(Device{})};
          if (shape.dim() == 2) {
            Tensor turned = Tensor::empty({shape[1], shape[0]}, to, kGpu);
            turned.copy_(there.transpose(0, 1));
            results.push_back(turned.transpose(0, 1).to(Device{}));
          }
          return results;
        });
        for (const Tensor& result : got) CHECK(same_bits(result, host.to(to)));
      }
}

// Rows of 16 bytes and more are moved in words of 16; where they begin 8, 4 or 2 bytes on, in narrower ones.
TEST_CASE("cuda copies of parts, of repeated and of turned tensors equal the CPU's") {
  for (const DType dtype : kDTypes) {
    CAPTURE(dtype);
    const Tensor host = numbers({6, 32}, dtype), there = host.to(kGpu);
    for (const int64_t start : {0, 1, 2, 4, 8, 16}) {
      CAPTURE(start);
      CHECK(same_bits(there.narrow(1, start, 16).contiguous().to(Device{}), host.narrow(1, start, 16)));
      Tensor target = numbers({6, 32}, dtype).to(kGpu), expected = numbers({6, 32}, dtype);
      target.narrow(1, start, 8).copy_(there.narrow(1, 3, 8));
      expected.narrow(1, start, 8).copy_(host.narrow(1, 3, 8));
      CHECK(same_bits(target.to(Device{}), expected));
    }
    CHECK(same_bits(there.unsqueeze(1).expand({6, 3, 32}).contiguous().to(Device{}),
                    host.unsqueeze(1).expand({6, 3, 32})));
    CHECK(same_bits(there.narrow(1, 5, 1).expand({6, 16}).contiguous().to(Device{}),
                    host.narrow(1, 5, 1).expand({6, 16})));
    const Shape many{2, 1, 3, 2, 2, 1, 4, 2};
    const std::vector<int> order{7, 2, 0, 5, 4, 6, 1, 3};
    const Tensor eight = numbers(many, dtype);
    CHECK(same_bits(eight.to(kGpu).permute(order).contiguous().to(Device{}), eight.permute(order)));
  }
}

TEST_CASE("cuda bf16 copies round ties to even, overflow to infinity and keep NaN") {
  const std::vector<float> values{1.00390625f, 1.01171875f, -1.00390625f, 3.4e38f, -3.4e38f,
                                  1e-40f,      INFINITY,    0.0f,         -0.0f};
  const Tensor host = Tensor::from(values);
  CHECK(same_bits(host.to(kGpu).to(DType::bf16).to(Device{}), host.to(DType::bf16)));
  const Tensor nan = Tensor::full({2}, NAN).to(kGpu).to(DType::bf16);
  CHECK(std::isnan(nan.narrow(0, 1, 1).item()));
}

TEST_CASE("cuda fills of any type, of parts and of single columns") {
  for (const DType dtype : kDTypes)
    for (const double value : {0.0, 3.0, 200.0}) {
      CAPTURE(dtype);
      CAPTURE(value);
      for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{37}, Shape{4, 32}})
        CHECK(same_bits(Tensor::full(shape, value, dtype, kGpu).to(Device{}), Tensor::full(shape, value, dtype)));
      for (const int64_t start : {0, 1, 8}) {
        Tensor host = numbers({5, 32}, dtype), there = host.to(kGpu);
        host.narrow(1, start, 16).fill_(value);
        there.narrow(1, start, 16).fill_(value);
        host.select(1, 30).fill_(1);
        there.select(1, 30).fill_(1);
        CHECK(same_bits(there.to(Device{}), host));
      }
    }
}

}  // namespace tessera::copy_test
