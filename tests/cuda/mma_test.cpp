#include "tests/cuda/mma_probe.h"
#include "tests/cuda/on_device.h"

namespace tessera::mma_test {

using namespace tessera::test;

namespace {

// Small integers: all sums are exact, in any order.
std::vector<bf16> integers(int count, int seed) {
  std::vector<bf16> values;
  for (int i = 0; i < count; ++i) values.push_back(bf16(static_cast<float>((i * 37 + seed * 11) % 29 - 14)));
  return values;
}

float product_element(const std::vector<bf16>& a, const std::vector<bf16>& b, int row, int column) {
  float sum = 0;
  for (int k = 0; k < 16; ++k)
    sum += static_cast<float>(a[static_cast<size_t>(row * 16 + k)]) *
           static_cast<float>(b[static_cast<size_t>(k * 8 + column)]);
  return sum;
}

unsigned pair_of(bf16 low, bf16 high) { return low.bits | static_cast<unsigned>(high.bits) << 16; }

// Rows and columns of element i of a lane's fragment, word for word as the PTX ISA has them ("Matrix Fragments for
// mma.m16n8k16 with floating point type").
struct Place {
  int row, column;
};
Place place_in_a(int lane, int i) {
  const int group = lane >> 2, thread_in_group = lane % 4;
  return {(i >= 0 && i < 2) || (i >= 4 && i < 6) ? group : group + 8, thread_in_group * 2 + (i & 1) + (i < 4 ? 0 : 8)};
}
Place place_in_b(int lane, int i) {
  const int group = lane >> 2, thread_in_group = lane % 4;
  return {thread_in_group * 2 + (i & 1) + (i < 2 ? 0 : 8), group};
}
Place place_in_c(int lane, int i) {
  const int group = lane >> 2, thread_in_group = lane % 4;
  return {i < 2 ? group : group + 8, thread_in_group * 2 + (i & 1)};
}

std::string failure_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("cuda mma multiplies the fragments that the PTX ISA documents") {
  const auto a = integers(16 * 16, 1), b = integers(16 * 8, 2);
  std::vector<unsigned> a_registers, b_registers;
  std::vector<float> sums;
  for (int lane = 0; lane < 32; ++lane) {
    const auto in_a = [&](int i) {
      return a[static_cast<size_t>(place_in_a(lane, i).row * 16 + place_in_a(lane, i).column)];
    };
    const auto in_b = [&](int i) {
      return b[static_cast<size_t>(place_in_b(lane, i).row * 8 + place_in_b(lane, i).column)];
    };
    for (int i = 0; i < 8; i += 2) a_registers.push_back(pair_of(in_a(i), in_a(i + 1)));
    for (int i = 0; i < 4; i += 2) b_registers.push_back(pair_of(in_b(i), in_b(i + 1)));
    for (int i = 0; i < 4; ++i) sums.push_back(static_cast<float>(lane - i));
  }
  const DeviceArray<unsigned> left(a_registers, "a"), right(b_registers, "b");
  DeviceArray<float> c(sums, "c");
  probe_multiply_add(left.data(), right.data(), c.data());
  const std::vector<float> got = c.to_host();
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const Place at = place_in_c(lane, i);
      CHECK(got[static_cast<size_t>(lane * 4 + i)] ==
            product_element(a, b, at.row, at.column) + static_cast<float>(lane - i));
    }
}

// Every element has bits of its own.
TEST_CASE("cuda ldmatrix gives a lane the elements that the PTX ISA documents") {
  std::vector<bf16> rows(32 * 8);
  for (size_t i = 0; i < rows.size(); ++i) rows[i].bits = static_cast<uint16_t>(1000 + i);
  const DeviceArray<bf16> in(rows, "rows");
  for (const int stride : {8, 24}) {
    DeviceArray<unsigned> plain(32 * 4, "plain"), transposed(32 * 4, "transposed");
    probe_load_matrices(in.data(), stride, false, plain.data());
    probe_load_matrices(in.data(), stride, true, transposed.data());
    const auto p = plain.to_host(), t = transposed.to_host();
    // Element (row, column) of matrix m lies in the row that lane 8 m + row addresses. A group of four lanes holds a
    // row, or with .trans a column, two elements each.
    const auto element = [&](int m, int row, int column) {
      return rows[static_cast<size_t>((8 * m + row) * 8 + column)];
    };
    for (int lane = 0; lane < 32; ++lane)
      for (int m = 0; m < 4; ++m) {
        const int group = lane / 4, pair = lane % 4 * 2;
        const auto at = static_cast<size_t>(lane * 4 + m);
        CHECK(p[at] == pair_of(element(m, group, pair), element(m, group, pair + 1)));
        CHECK(t[at] == pair_of(element(m, pair, group), element(m, pair + 1, group)));
      }
  }
  if (!simt::accesses_are_checked()) return;  // UndefinedBehaviorSanitizer would end the process
  CHECK(failure_of([&] {
          DeviceArray<unsigned> r(32 * 4, "r");
          probe_load_matrices(in.data(), 9, false, r.data());
        }).find("misaligned") != std::string::npos);
}

TEST_CASE("cuda mma of fragments from shared memory is the naive product") {
  const auto a = integers(16 * 16, 3), b = integers(16 * 8, 4);
  std::vector<bf16> b_transposed(16 * 8);
  for (size_t k = 0; k < 16; ++k)
    for (size_t n = 0; n < 8; ++n) b_transposed[n * 16 + k] = b[k * 8 + n];
  const DeviceArray<bf16> left(a, "a"), right(b, "b"), right_transposed(b_transposed, "b transposed");
  for (const bool transposed : {false, true}) {
    const auto got = in_three_orders([&]() -> std::vector<Tensor> {
      DeviceArray<float> c(16 * 8, "c");
      probe_product(left.data(), transposed ? right_transposed.data() : right.data(), transposed, c.data());
      return {from_device(c, {16, 8})};
    });
    const auto values = got[0].to_vector<float>();
    for (int row = 0; row < 16; ++row)
      for (int column = 0; column < 8; ++column)
        CHECK(values[static_cast<size_t>(row * 8 + column)] == product_element(a, b, row, column));
  }
}

TEST_CASE("cuda asynchronous copies: what they bring, and mistakes with them are found") {
  const int count = 96, present = 70;
  const auto x = integers(count * 8, 5);
  const DeviceArray<bf16> in(x, "x");
  const auto copied = [&](CopyMistake mistake) {
    DeviceArray<bf16> out(count * 8, "y");
    probe_copy(in.data(), out.data(), count, present, mistake);
    return out.to_host();
  };
  const auto got = copied(CopyMistake::none);
  for (size_t i = 0; i < got.size(); ++i) CHECK(got[i].bits == (i < present * 8 ? x[i].bits : 0));
  if (!simt::accesses_are_checked()) return;
  for (const CopyMistake mistake : {CopyMistake::no_wait, CopyMistake::no_barrier, CopyMistake::overwrites}) {
    CAPTURE(static_cast<int>(mistake));
    const std::string failure = failure_of([&] { copied(mistake); });
    CHECK((failure.find("race") != std::string::npos || failure.find("never written") != std::string::npos));
  }
}

}  // namespace tessera::mma_test
