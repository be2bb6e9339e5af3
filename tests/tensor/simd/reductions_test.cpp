#include "tensor/simd/reductions.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "tensor/philox.h"

namespace tessera::reductions_test {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
std::vector<T> noise(int64_t n, uint64_t seed) {
  Random random(seed, 1);
  std::vector<T> values(static_cast<size_t>(n));
  for (T& value : values) value = static_cast<T>(static_cast<float>(random.uniform(-1, 1)));
  return values;
}

// The sum in the order that simd::Order promises, one number at a time.
template <class T>
T sum_in_order(const std::vector<T>& x, simd::Order order) {
  const size_t lanes = static_cast<size_t>(order.bytes) / sizeof(T), chains = static_cast<size_t>(order.chains);
  std::vector<std::vector<T>> total(chains, std::vector<T>(lanes, T{0}));
  size_t i = 0;
  const auto take = [&](std::vector<T>& chain) {
    for (size_t lane = 0; lane < lanes; ++lane) chain[lane] += x[i + lane];
    i += lanes;
  };
  while (i + chains * lanes <= x.size())
    for (size_t c = 0; c < chains; ++c) take(total[c]);
  while (i + lanes <= x.size()) take(total[0]);
  for (size_t step = 1; step < chains; step *= 2)
    for (size_t c = 0; c + step < chains; c += 2 * step)
      for (size_t lane = 0; lane < lanes; ++lane) total[c][lane] += total[c + step][lane];
  for (size_t half = lanes / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; ++lane) total[0][lane] += total[0][lane + half];
  T sum = total[0][0];
  for (; i < x.size(); ++i) sum += x[i];
  return sum;
}

// f(T{}, an integral constant that is an Order) for the types and orders in use.
template <class F>
void for_types_and_orders(F&& f) {
  const auto orders = [&](auto tag) {
    f(tag, std::integral_constant<int, 0>{});
    f(tag, std::integral_constant<int, 1>{});
    f(tag, std::integral_constant<int, 2>{});
  };
  orders(float{});
  orders(double{});
}
template <int number>
constexpr simd::Order kOrder = number == 0   ? simd::kShortOrder
                               : number == 1 ? simd::kLongOrder
                                             : simd::kRowOrder;

}  // namespace

TEST_CASE("simd: sums are added in the order that is promised, at any length and place") {
  for_types_and_orders([](auto tag, auto number) {
    using T = decltype(tag);
    constexpr simd::Order order = kOrder<decltype(number)::value>;
    for (int64_t n = 0; n <= 150; ++n)
      for (const int64_t offset : {0, 1}) {
        CAPTURE(n);
        const std::vector<T> memory = noise<T>(n + offset, 1);
        CHECK(simd::sum<order>(memory.data() + offset, n) ==
              sum_in_order(std::vector<T>(memory.begin() + offset, memory.end()), order));
      }
  });
}

TEST_CASE("simd: dot products, also of bf16") {
  for_types_and_orders([](auto tag, auto number) {
    using T = decltype(tag);
    constexpr simd::Order order = kOrder<decltype(number)::value>;
    for (const int64_t n : {0, 1, 7, 8, 33, 64, 150}) {
      CAPTURE(n);
      const std::vector<T> a = noise<T>(n, 2), b = noise<T>(n, 3);
      double expected = 0;
      for (size_t i = 0; i < a.size(); ++i) expected += static_cast<double>(a[i]) * static_cast<double>(b[i]);
      CHECK(std::abs(static_cast<double>(simd::dot<order>(a.data(), b.data(), n)) - expected) <=
            30 * std::numeric_limits<T>::epsilon());
      if constexpr (std::is_same_v<T, float>) {
        const std::vector<bf16> rounded(a.begin(), a.end());
        std::vector<float> widened;
        for (const bf16 value : rounded) widened.push_back(static_cast<float>(value));
        CHECK(simd::dot<order>(rounded.data(), b.data(), n) ==
              doctest::Approx(simd::dot<order>(widened.data(), b.data(), n)).epsilon(1e-5));
      }
    }
  });
}

TEST_CASE("simd: several sums over a row at once") {
  for (const int64_t n : {0, 1, 15, 16, 17, 31, 48, 100}) {
    CAPTURE(n);
    const std::vector<float> x = noise<float>(n, 4);
    std::vector<float> twice(x.size(), 0.0f);
    const auto [sum, elements] = simd::sums_over<float, 2>(n, [&](auto load, int64_t i, auto& sums) {
      sums[0] += load(x.data() + i);
      sums[1] += load(x.data() + i) * 0 + 1;
      simd::store(twice.data() + i, load(x.data() + i) * 2);
    });
    CHECK(sum == simd::sum<simd::kRowOrder>(x.data(), n));
    CHECK(elements == static_cast<float>(n));
    for (size_t i = 0; i < x.size(); ++i) CHECK(twice[i] == 2 * x[i]);
  }
}

TEST_CASE("simd: the maximum wherever it lies; NaN is passed over, and of nothing it is -∞") {
  for_types_and_orders([](auto tag, auto number) {
    using T = decltype(tag);
    constexpr simd::Order order = kOrder<decltype(number)::value>;
    CHECK(simd::maximum<order, T>(nullptr, 0) == -kInfinity);
    for (const int64_t n : {1, 7, 8, 9, 33, 80}) {
      std::vector<T> x = noise<T>(n, 5);
      for (int64_t place = 0; place < n; ++place) {
        const T before = x[static_cast<size_t>(place)];
        x[static_cast<size_t>(place)] = 2;
        CHECK(simd::maximum<order>(x.data(), n) == T{2});
        x[static_cast<size_t>(place)] = std::numeric_limits<T>::quiet_NaN();
        CHECK(simd::maximum<order>(x.data(), n) <= (n > 1 ? 1.0 : -kInfinity));
        x[static_cast<size_t>(place)] = before;
      }
    }
  });
  const std::vector<bf16> values(40, bf16(-3.0f));
  CHECK(simd::maximum(values.data(), 40) == -3.0f);
}

TEST_CASE("simd: a loop over a row reads and writes every element once") {
  for (const int64_t n : {0, 1, 15, 16, 17, 40}) {
    const std::vector<float> x = noise<float>(n, 6);
    std::vector<bf16> y(x.size() + 1, bf16(7.0f));
    simd::for_row<float>(n, [&](auto load, int64_t i) { simd::store(y.data() + i, load(x.data() + i) + 1.0f); });
    for (size_t i = 0; i < x.size(); ++i) CHECK(static_cast<float>(y[i]) == static_cast<float>(bf16(x[i] + 1.0f)));
    CHECK(static_cast<float>(y.back()) == 7.0f);
  }
}

}  // namespace tessera::reductions_test
