// The loops of packing that have vector forms, against their plain ones, and the product of a left operand that is not
// packed.
#include "tensor/gemm/packed/kernels.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/philox.h"
#include "tests/skipped.h"
#include "tests/tensor/gemm/packed/every_kernel.h"

namespace tessera::kernels_test {

namespace {

// Of all magnitudes, and what is special: both zeros, denormals, ties, the edge of overflow, infinities, NaN.
std::vector<float> all_kinds() {
  std::vector<float> values{0.0f,
                            -0.0f,
                            1e-40f,
                            -3e-39f,
                            1.00390625f,
                            1.01171875f,
                            3.3895e38f,
                            3.39e38f,
                            3.4028235e38f,
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
  Random random(1);
  while (values.size() < 512) {
    const double magnitude = std::exp2(random.uniform(-126, 127));
    values.push_back(static_cast<float>(random.uniform(-1, 1) * magnitude));
  }
  return values;
}

}  // namespace

TEST_CASE("kernels: rounding to bf16 is that of the type") {
  const std::vector<float> values = all_kinds();
  std::vector<uint16_t> rounded(values.size());
  with_every_instruction_set([&] {
    products::kernels().round(values.data(), static_cast<int64_t>(values.size() / 16), rounded.data());
    for (size_t i = 0; i < values.size(); ++i) {
      CAPTURE(values[i]);
      CHECK(rounded[i] == bf16(values[i]).bits);
    }
  });
}

TEST_CASE("kernels: a split number is its parts' sum but for 2⁻¹⁶ of it") {
  const std::vector<float> values = all_kinds();
  std::vector<uint16_t> high(values.size()), low(values.size());
  with_every_instruction_set([&] {
    products::kernels().split(values.data(), static_cast<int64_t>(values.size() / 16), high.data(), low.data());
    for (size_t i = 0; i < values.size(); ++i) {
      CAPTURE(values[i]);
      bf16 h, l;
      h.bits = high[i];
      l.bits = low[i];
      CHECK(h.bits == bf16(values[i]).bits);
      if (!std::isfinite(static_cast<float>(h))) {
        CHECK(l.bits == 0);
        continue;
      }
      // Half a unit of the last place of the smallest number is 2⁻¹³⁴.
      const double rest = static_cast<double>(values[i]) - static_cast<double>(h) - static_cast<double>(l);
      CHECK(std::fabs(rest) <= std::fabs(static_cast<double>(values[i])) * 0x1p-16 + 0x1p-134);
    }
  });
}

TEST_CASE("kernels: blocks are transposed") {
  std::vector<uint16_t> from(16 * 40), to(512);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint16_t>(i);
  with_every_instruction_set([&] {
    products::kernels().transpose_words(from.data(), 40, to.data());
    int64_t wrong = 0;
    for (size_t i = 0; i < 16; ++i)
      for (size_t j = 0; j < 16; ++j)
        for (size_t half = 0; half < 2; ++half) wrong += to[(j * 16 + i) * 2 + half] != from[i * 40 + j * 2 + half];
    CHECK(wrong == 0);
  });
}

TEST_CASE("kernels: rows are interleaved") {
  std::vector<uint16_t> from(32 * 23), to(512);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint16_t>(i + 65000);
  with_every_instruction_set([&] {
    products::kernels().interleave(from.data(), 23, to.data());
    int64_t wrong = 0;
    for (size_t l = 0; l < 32; ++l)
      for (size_t j = 0; j < 16; ++j) wrong += to[l / 2 * 32 + 2 * j + l % 2] != from[l * 23 + j];
    CHECK(wrong == 0);
  });
}

// Integers so small that every sum is exact in any order.
TEST_CASE("kernels: pairs of a left operand that is not packed, at any distance") {
  constexpr int64_t kRow = 70, kStride = 3 * 32 * products::kStrip, kLd = 50;
  const auto integers = [](size_t count, uint64_t seed) {
    Random random(seed);
    std::vector<uint16_t> bits(count);
    for (uint16_t& b : bits) b = bf16(static_cast<float>(static_cast<int64_t>(random.uniform(-8, 9)))).bits;
    return bits;
  };
  const auto value = [](uint16_t bits) {
    return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
  };
  const std::vector<uint16_t> left = integers(31 * kRow, 1), right = integers(3 * kStride, 2);
  bool found = false;
  with_every_instruction_set([&] {
    if (!products::kernels().multiply_pairs) return;
    found = true;
    for (const int64_t rows : {1, 2, 3, 5, 8, 15, 16, 29})
      for (const int64_t strips : {1, 2, 3})
        for (const int64_t depth : {2, 6, 32, 62})
          for (const bool add : {false, true}) {
            // Rows one behind another, or pairs of columns of a matrix of pairs.
            const bool across = rows <= 16 && depth <= 32;
            const int64_t row = across ? 2 : kRow, pair = across ? kRow : 2;
            std::vector<float> sums(static_cast<size_t>(rows * kLd), 3.0f);
            products::kernels().multiply_pairs(
                {left.data(), row, pair, right.data(), kStride, rows, strips, depth, sums.data(), kLd, add});
            int64_t wrong = 0;
            for (int64_t i = 0; i < rows; ++i)
              for (int64_t j = 0; j < kLd; ++j) {
                double expected = j >= 16 * strips || add ? 3 : 0;
                for (int64_t l = 0; l < depth && j < 16 * strips; ++l)
                  expected += value(left[static_cast<size_t>(i * row + l / 2 * pair + l % 2)]) *
                              value(right[static_cast<size_t>(j / 16 * kStride + l / 2 * 32 + j % 16 * 2 + l % 2)]);
                wrong += static_cast<double>(sums[static_cast<size_t>(i * kLd + j)]) != expected;
              }
            CAPTURE(rows);
            CAPTURE(strips);
            CAPTURE(depth);
            CHECK(wrong == 0);
          }
  });
  if (!found) tests::skipped("no instruction set of this machine multiplies pairs");
}

}  // namespace tessera::kernels_test
