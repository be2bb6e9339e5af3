#include "tensor/simd/lanes.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace tessera::lanes_test {

namespace {

template <class T>
std::vector<T> counted(int64_t n) {
  std::vector<T> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<T>(static_cast<float>(i + 1)));
  return values;
}

template <class F>
void for_float_and_double(F&& f) {
  f(float{});
  f(double{});
}

}  // namespace

TEST_CASE("simd: masks, the first elements, the largest lane") {
  for_float_and_double([](auto tag) {
    using T = decltype(tag);
    constexpr int64_t lanes = simd::kLanes<T>;
    const std::vector<T> x = counted<T>(lanes);
    for (int64_t n = -1; n <= lanes + 1; ++n) {
      const simd::Vector<T> zero{}, kept = simd::first_lanes<T>(n) ? simd::load(x.data()) : zero;
      for (int64_t i = 0; i < lanes; ++i) CHECK(kept[i] == (i < n ? x[static_cast<size_t>(i)] : T{0}));
      if (n < 0 || n >= lanes) continue;
      const simd::Vector<T> first = simd::load_first<T>(x.data(), n);
      for (int64_t i = 0; i < lanes; ++i) CHECK(first[i] == kept[i]);
    }
    CHECK(simd::largest_lane<T>(simd::load(x.data())) == static_cast<T>(lanes));
    CHECK(simd::sum_of_lanes<T>(simd::splat<T>(T{3})) == static_cast<T>(3 * lanes));
  });
}

TEST_CASE("simd: a block is transposed in registers") {
  for_float_and_double([](auto tag) {
    using T = decltype(tag);
    constexpr int64_t lanes = simd::kLanes<T>;
    simd::Vector<T> block[lanes];
    const std::vector<T> x = counted<T>(lanes * lanes);
    for (int64_t i = 0; i < lanes; ++i) block[i] = simd::load(x.data() + i * lanes);
    simd::transpose_block<T>(block);
    for (int64_t i = 0; i < lanes; ++i)
      for (int64_t j = 0; j < lanes; ++j) CHECK(block[i][j] == x[static_cast<size_t>(j * lanes + i)]);
  });
}

TEST_CASE("simd: bf16 is rounded and widened as one number is, at any width") {
  std::vector<float> x;
  for (uint32_t i = 0; i < 64; ++i) x.push_back(std::bit_cast<float>(0x3f800000u + i * 0x1555u));
  x[1] = std::numeric_limits<float>::infinity();
  x[2] = -std::numeric_limits<float>::infinity();
  x[3] = std::numeric_limits<float>::quiet_NaN();
  x[4] = -0.0f;
  x[5] = std::numeric_limits<float>::denorm_min();
  x[6] = std::numeric_limits<float>::max();
  const auto check_width = [&](auto width) {
    constexpr int bytes = decltype(width)::value;
    std::vector<bf16> rounded(x.size());
    for (size_t i = 0; i < x.size(); i += bytes / sizeof(float))
      simd::store(rounded.data() + i, simd::load<bytes>(x.data() + i));
    std::vector<float> widened(x.size());
    for (size_t i = 0; i < x.size(); i += bytes / sizeof(float))
      simd::store(widened.data() + i, simd::load<bytes>(rounded.data() + i));
    for (size_t i = 0; i < x.size(); ++i) {
      CAPTURE(i);
      if (std::isnan(x[i])) {
        CHECK(std::isnan(widened[i]));
        continue;
      }
      CHECK(std::bit_cast<uint16_t>(rounded[i]) == std::bit_cast<uint16_t>(bf16(x[i])));
      CHECK(widened[i] == static_cast<float>(rounded[i]));
    }
  };
  check_width(std::integral_constant<int, 16>{});
  check_width(std::integral_constant<int, 32>{});
  check_width(std::integral_constant<int, 64>{});
}

}  // namespace tessera::lanes_test
