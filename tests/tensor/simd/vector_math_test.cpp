#include "tensor/simd/vector_math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace tessera::vector_math_test {

namespace {

struct Errors {
  double ulp = 0;  // in units of the last place of the result (of the smallest normal for denormals)
  double absolute = 0;
  double of_argument = 0;    // absolute error / |x|, for normal x
  bool same_special = true;  // NaN and infinities agree
};

double unit_in_last_place(double value) {
  return std::ldexp(1.0, std::max(-126, value == 0 ? -126 : std::ilogb(value)) - 23);
}

// Where a function changes its formula, clamps, or rounds to another exponent: the neighbours of all powers of two and
// of the places that the header's functions compare with or reduce by.
std::vector<uint32_t> boundary_bits() {
  std::vector<float> places = {5.0f,        0.7f,  0.9f,   10.0f,       14.5f,        10.2530483f, 88.7228391f,
                               87.3365448f, 89.0f, 104.0f, 103.972076f, 0.666666687f, 1.33333337f};
  for (int exponent = -149; exponent < 128; ++exponent) places.push_back(std::ldexp(1.0f, exponent));
  for (int n = 1; n < 300; ++n) places.push_back((static_cast<float>(n) - 0.5f) * 0.346573590f);
  std::vector<uint32_t> bits;
  for (const float place : places)
    for (uint32_t offset = 0; offset < 33; ++offset)
      for (const uint32_t sign : {0u, 0x80000000u})
        bits.push_back((std::bit_cast<uint32_t>(place) + offset - 16) ^ sign);
  return bits;
}

// Over every 2003rd bit pattern, which is 4,188 values for each exponent and sign, and over the boundaries.
template <class F, class G>
Errors measure(F f, G reference, float low, float high) {
  Errors errors;
  const auto compare = [&](uint32_t bits) {
    const float x = std::bit_cast<float>(bits);
    if (!(x >= low && x <= high)) return;
    const double expected = reference(double{x}), actual = f(x);
    const auto rounded = static_cast<float>(expected);
    if (!std::isfinite(rounded) || !std::isfinite(actual)) {
      errors.same_special &= std::isnan(rounded) ? std::isnan(actual) : rounded == actual;
      return;
    }
    const double error = std::abs(actual - expected);
    errors.absolute = std::max(errors.absolute, error);
    errors.ulp = std::max(errors.ulp, error / unit_in_last_place(expected));
    if (std::abs(x) > 1e-30f) errors.of_argument = std::max(errors.of_argument, error / std::abs(double{x}));
  };
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 2003) compare(static_cast<uint32_t>(bits));
  static const std::vector<uint32_t> boundaries = boundary_bits();
  for (const uint32_t bits : boundaries) compare(bits);
  return errors;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();

}  // namespace

// The bounds are those that the header states.
TEST_CASE("vector_math: f32 functions against f64 over all exponents") {
  const auto within = [](const char* name, const Errors& errors, double ulp, double absolute, double of_argument) {
    INFO(name, ": ", errors.ulp, " ulp, ", errors.absolute, " absolute, ", errors.of_argument, " of |x|");
    CHECK(errors.same_special);
    CHECK(errors.ulp <= ulp);
    CHECK(errors.absolute <= absolute);
    CHECK(errors.of_argument <= of_argument);
  };
  const double any = std::numeric_limits<double>::infinity();
  within("exp",
         measure([](float x) { return vmath::exp(x); }, [](double x) { return std::exp(x); }, -kLargest, kLargest), 1.1,
         any, any);
  within("log",
         measure([](float x) { return vmath::log(x); }, [](double x) { return std::log(x); }, -kLargest, kLargest), 0.9,
         any, any);
  within("tanh",
         measure([](float x) { return vmath::tanh(x); }, [](double x) { return std::tanh(x); }, -kLargest, kLargest),
         1.6, any, any);
  within(
      "rsqrt",
      measure([](float x) { return vmath::rsqrt(x); }, [](double x) { return 1 / std::sqrt(x); }, -kLargest, kLargest),
      1.5, any, any);
  within("sigmoid",
         measure([](float x) { return vmath::sigmoid(x); }, [](double x) { return vmath::sigmoid(x); }, -88, kLargest),
         2.5, any, any);
  within("erf",
         measure([](float x) { return vmath::erf(x); }, [](double x) { return std::erf(x); }, -kLargest, kLargest), 1.7,
         1.1e-7, any);
  within("gelu",
         measure([](float x) { return vmath::gelu(x); }, [](double x) { return vmath::gelu(x); }, -kLargest, kLargest),
         any, any, 1.2e-7);
  within("coarse_gelu",
         measure([](float x) { return vmath::coarse_gelu(x); }, [](double x) { return vmath::gelu(x); }, -kLargest,
                 kLargest),
         any, any, 2.8e-6);
  within("normal_cdf",
         measure([](float x) { return vmath::normal_cdf(x); }, [](double x) { return vmath::normal_cdf(x); }, -kLargest,
                 kLargest),
         any, 1e-7, any);
  within("gelu_derivative",
         measure([](float x) { return vmath::gelu_derivative(x); }, [](double x) { return vmath::gelu_derivative(x); },
                 -1e18f, 1e18f),
         any, 1.6e-7, any);
}

TEST_CASE("vector_math: infinities, NaN, zeros and denormals") {
  CHECK(vmath::exp(kInfinity) == kInfinity);
  CHECK(vmath::exp(-kInfinity) == 0);
  CHECK(vmath::exp(-100.0f) ==
        doctest::Approx(std::exp(-100.0)).epsilon(0.03));  // a denormal, 26 units of the smallest
  CHECK(vmath::exp(0.0f) == 1);
  CHECK(vmath::log(0.0f) == -kInfinity);
  CHECK(vmath::log(-0.0f) == -kInfinity);
  CHECK(vmath::log(kInfinity) == kInfinity);
  CHECK(std::isnan(vmath::log(-1.0f)));
  CHECK(vmath::log(1.0f) == 0);
  CHECK(vmath::tanh(kInfinity) == 1);
  CHECK(vmath::tanh(-kInfinity) == -1);
  CHECK(std::signbit(vmath::tanh(-0.0f)));
  CHECK(vmath::rsqrt(0.0f) == kInfinity);
  CHECK(vmath::rsqrt(kInfinity) == 0);
  CHECK(vmath::rsqrt(4.0f) == 0.5f);
  CHECK(std::isnan(vmath::rsqrt(-1.0f)));
  CHECK(vmath::sigmoid(kInfinity) == 1);
  CHECK(vmath::sigmoid(-kInfinity) == 0);
  CHECK(vmath::erf(kInfinity) == 1);
  CHECK(vmath::erf(-kInfinity) == -1);
  CHECK(vmath::gelu(kInfinity) == kInfinity);
  CHECK(vmath::gelu(-kInfinity) == 0);
  CHECK(vmath::gelu(0.0f) == 0);
  CHECK(vmath::coarse_gelu(kInfinity) == kInfinity);
  CHECK(vmath::coarse_gelu(-kInfinity) == 0);
  CHECK(vmath::coarse_gelu(0.0f) == 0);
  CHECK(vmath::gelu_derivative(kInfinity) == 1);
  CHECK(vmath::gelu_derivative(-kInfinity) == 0);
  CHECK(std::isnan(vmath::exp(kNan)));
  CHECK(std::isnan(vmath::log(kNan)));
  CHECK(std::isnan(vmath::tanh(kNan)));
  CHECK(std::isnan(vmath::rsqrt(kNan)));
  CHECK(std::isnan(vmath::sigmoid(kNan)));
  CHECK(std::isnan(vmath::erf(kNan)));
  CHECK(std::isnan(vmath::gelu(kNan)));
  CHECK(std::isnan(vmath::coarse_gelu(kNan)));
  CHECK(std::isnan(vmath::gelu_derivative(kNan)));
}

}  // namespace tessera::vector_math_test
