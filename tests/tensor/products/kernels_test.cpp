// The loops of packing that have vector forms, against their plain ones.
#include "tensor/products/kernels.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/philox.h"
#include "tests/tensor/products/every_kernel.h"

using namespace tessera;

namespace {

// Of all magnitudes, and what is special: both zeros, denormals, ties, the edge of overflow, infinities, NaN.
std::vector<float> all_kinds() {
  std::vector<float> values{0.0f, -0.0f, 1e-40f, -3e-39f, 1.00390625f, 1.01171875f, 3.3895e38f, 3.39e38f, 3.4028235e38f,
                            std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
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
