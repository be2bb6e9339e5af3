// gather_rows, interpolate_rows, scatter_rows and embed_tokens.
#include "tensor/cuda/row_segments.h"
#include "tensor/ops/embed_tokens.h"
#include "tensor/ops/embed_tokens_kernels.h"
#include "tensor/ops/gather_rows_kernels.h"
#include "tensor/ops/scatter_rows_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::rows_test {

using namespace tessera::test;

namespace {

const Ticket kTicket{21, 22, 23};

std::vector<int64_t> random_index(int64_t count, int64_t rows, uint64_t seed) {
  Random random(seed);
  std::vector<int64_t> index;
  for (int64_t i = 0; i < count; ++i) index.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(rows))));
  return index;
}

// Sorted entries on the device.
struct Segments {
  cuda::SortedEntries sorted;
  cuda::SegmentsOnDevice memory;

  Segments(const std::vector<int64_t>& index, int64_t rows)
      : sorted(cuda::sort_entries(index, rows)), memory(cuda::to_device(sorted)) {}
  cuda::RowSegments from(int64_t first_row) const {
    cuda::RowSegments segments = memory.segments;
    segments.first_row = first_row;
    return segments;
  }
  DeviceArray<float> workspace(int64_t width) const {
    return DeviceArray<float>(memory.segments.piece_count * width, "workspace");
  }
};

}  // namespace

TEST_CASE("cuda gather_rows gives the CPU's bits, from several tables") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const int64_t entries : {0, 1, 37})
      for (const int64_t width : {1, 33, 64}) {
        const Tensor a = random_values<T>({5, width}, 1), b = random_values<T>({2, width}, 2);
        const std::vector<int64_t> index = random_index(entries, 7, 3);
        const auto first = on_device<T>(a, "a"), second = on_device<T>(b, "b");
        const DeviceArray<int64_t> rows(index, "index");
        const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
          DeviceArray<T> out(entries * width, "out");
          cuda::gather_rows<T>({{first.data(), second.data()}, {5, 2}}, rows.data(), out.data(), entries, width);
          return {from_device(out, {entries, width})};
        });
        const Tensor tables[] = {a, b};
        const Tensor where = entries > 0 ? Tensor::from(index) : Tensor::empty({0}, DType::i64);
        CHECK(same_bits(got[0], ops::gather_rows("test", tables, where)));
      }
  });
}

// Sums of about a dozen numbers of size 1, or of up to 150 in two pieces, whose rounding adds up to some 1e-6.
TEST_CASE("cuda scatter_rows equals the CPU's, with and without dropout, added or not") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const int64_t entries : {0, 1, 37, 400})
      for (const double p : {0.0, 0.2}) {
        const int64_t width = entries < 400 ? 67 : 5;
        std::vector<int64_t> index = random_index(entries, 7, 4);
        for (size_t e = 0; entries == 400 && e < 260; ++e) index[e] = e % 2 == 0 ? 1 : 6;  // of several pieces
        const Tensor where = entries > 0 ? Tensor::from(index) : Tensor::empty({0}, DType::i64);
        const Tensor dout = random_values<T>({entries, width}, 5), before = random_normal({2, width}, 6, DType::f32);
        const auto from = on_device<T>(dout, "dout");
        const Segments segments(index, 7);
        const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
          DeviceArray<T> first(5 * width, "first");
          auto pieces = segments.workspace(width);
          auto second = on_device<float>(before, "second");
          cuda::scatter_rows<T, T>(from.data(), segments.from(0), nullptr, 1, first.data(), pieces.data(), 5, width,
                                   false, p, kTicket);
          cuda::scatter_rows<T, float>(from.data(), segments.from(5), nullptr, 1, second.data(), pieces.data(), 2,
                                       width, true, p, kTicket);
          return {from_device(first, {5, width}), from_device(second, {2, width})};
        });
        ops::RowTarget targets[] = {{5, Tensor::empty({5, width}, DType::f64), false}, {2, wide(before).clone(), true}};
        ops::scatter_dropped_rows(wide(dout), where, ops::DropoutMask("test", p, kTicket), targets);
        CHECK(segments.sorted.long_rows.size() == (entries == 400 ? 2 : 0));
        CHECK_CLOSE(got[0], targets[0].grad, 1e-6);
        CHECK_CLOSE(got[1], targets[1].grad, 1e-6);
      }
  });
}

TEST_CASE("cuda interpolate_rows and its gradient equal the CPU's") {
  const int64_t entries = 11, taps = 4, width = 40, rows = 6;
  const std::vector<int64_t> index = random_index(entries * taps, rows, 7);
  const Tensor table = random_normal({rows, width}, 8, DType::f32),
               weight = random_normal({entries, taps}, 9, DType::f32);
  const Tensor dout = random_normal({entries, width}, 10, DType::f32);
  const auto from = on_device<float>(table, "table"), weights = on_device<float>(weight, "weight");
  const auto gradient = on_device<float>(dout, "dout");
  const DeviceArray<int64_t> where(index, "index");
  const Segments segments(index, rows);
  const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
    DeviceArray<float> out(entries * width, "out"), dtable(rows * width, "dtable");
    cuda::interpolate_rows(from.data(), where.data(), weights.data(), out.data(), entries, taps, width);
    cuda::scatter_rows<float, float>(gradient.data(), segments.from(0), weights.data(), taps, dtable.data(), nullptr,
                                     rows, width, false, 0, {});
    return {from_device(out, {entries, width}), from_device(dtable, {rows, width})};
  });
  const Tensor places = Tensor::from(index, {entries, taps});
  CHECK_CLOSE(got[0], ops::interpolate_rows(wide(table), places, wide(weight)), 1e-6);
  ops::RowTarget target{rows, Tensor::empty({rows, width}, DType::f64), false};
  ops::scatter_weighted_rows(wide(dout), places, wide(weight), target);
  CHECK_CLOSE(got[1], target.grad, 1e-6);
}

TEST_CASE("cuda embed_tokens gives the CPU's bits") {
  for_float_and_bf16([](auto tag) {
    using Y = decltype(tag);
    for (const int64_t tokens : {0, 1, 29})
      for (const int64_t width : {5, 64})
        for (const double p : {0.0, 0.1}) {
          const Tensor a = random_normal({5, width}, 1, DType::f32), b = random_normal({3, width}, 2, DType::f32);
          const Tensor type_table = random_normal({2, width}, 3, DType::f32);
          const std::vector<int64_t> index = random_index(tokens, 8, 4), types = random_index(tokens, 2, 5);
          const auto first = on_device<float>(a, "a"), second = on_device<float>(b, "b");
          const auto type_rows = on_device<float>(type_table, "type_table");
          const DeviceArray<int64_t> rows(index, "index"), type(types, "types");
          const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
            DeviceArray<Y> y(tokens * width, "y");
            cuda::embed_tokens<Y>({{first.data(), second.data()}, {5, 3}}, rows.data(), type_rows.data(), type.data(),
                                  y.data(), tokens, width, p, kTicket);
            return {from_device(y, {tokens, width})};
          });
          const Tensor tables[] = {a, b};
          const Shape shape{tokens};
          CHECK(same_bits(got[0], ops::embed_tokens(tables, Tensor::from(index, shape), type_table,
                                                    Tensor::from(types, shape), p, kTicket, dtype_of<Y>::value)));
        }
  });
}

}  // namespace tessera::rows_test
