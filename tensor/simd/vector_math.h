// Scalar functions for the inner loops of kernels. The f32 overloads have no branch, call or table, so that a loop over
// them becomes vector code on any machine; the f64 overloads are those of <cmath>, since f64 is for checks.
//
// Largest errors of the f32 overloads over all exponents, measured against f64, with and without fused multiply-add
// (tests/tensor/simd/vector_math_test.cpp):
//                     ulp    absolute
//   exp              1.1
//   log              0.9
//   tanh             1.6
//   erf              1.7       1.1e-7
//   rsqrt            1.5
//   sigmoid          2.5
//   normal_cdf                 1.0e-7
//   gelu                       1.2e-7 · |x|
//   coarse_gelu                2.8e-6 · |x|
//   gelu_derivative            1.6e-7
// Infinities give the limits, NaN gives NaN. Denormal results of exp are rounded, not flushed, and log and rsqrt take
// denormals; sigmoid(x) for x < -88 may be 0.
//
// The coefficients are minimax fits made for this file (Lawson's reweighted least squares).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tessera::vmath {

inline constexpr double kSqrtHalf = 0.70710678118654752440;        // 1/√2
inline constexpr double kInverseSqrt2Pi = 0.39894228040143267794;  // 1/√(2π)

namespace detail {

// x = n ln 2 + r with |r| <= ln(2)/2, and e^r - 1.
struct ExpParts {
  int32_t n;
  float expm1_r;
};

// |x| < 2^22: adding 1.5 · 2^23 rounds to the nearest integer and leaves it in the low bits.
inline constexpr float kRoundingShift = 12582912.0f;
inline int32_t low_integer(float shifted) {
  return static_cast<int32_t>(std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRoundingShift));
}

// ln 2 is taken off in two parts, the first of which has so few bits that its product with n is exact.
inline ExpParts exp_parts(float x) {
  const float shifted = x * 1.44269504f + kRoundingShift;
  const float n = shifted - kRoundingShift;
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float q = 1.38825077e-3f;
  q = q * r + 8.36658048e-3f;
  q = q * r + 4.16672018e-2f;
  q = q * r + 1.66665432e-1f;
  q = q * r + 4.99999981e-1f;
  return {low_integer(shifted), r + r * r * q};
}

// 2^n for -126 <= n <= 127.
inline float power_of_two(int32_t n) { return std::bit_cast<float>((static_cast<uint32_t>(n) + 127u) << 23); }

}  // namespace detail

inline float exp(float x) {
  x = x < -104.0f ? -104.0f : x;  // e^-104 < half the smallest denormal
  x = x > 89.0f ? 89.0f : x;      // e^89 > the largest float
  const detail::ExpParts parts = detail::exp_parts(x);
  const int32_t half = parts.n >> 1;  // 2^n itself may be out of range
  return (1.0f + parts.expm1_r) * detail::power_of_two(half) * detail::power_of_two(parts.n - half);
}

// With a = |x|: a - a³ / q(a²) for a < 0.7, where q = 3 + 6/5 a² - … is the denominator of a continued fraction, and
// 1 - 2 / (e^(2a) + 1) elsewhere. Both subtract a quotient that is small beside what it is taken from, so that its
// error counts for little, and they share one division. The exponential, which may be less exact than exp(), is 2^n
// e^(2r) with |r| <= ln(2)/4.
inline float tanh(float x) {
  const float a = std::fabs(x);
  const float bounded = a > 10.0f ? 10.0f : a;
  const float shifted = bounded * 2.88539008f + detail::kRoundingShift;
  const float n = shifted - detail::kRoundingShift;
  const float r = bounded - n * 0.346573590f;
  float q = 2.65288721e-1f;
  q = q * r + 6.70370605e-1f;
  q = q * r + 1.33341105f;
  q = q * r + 1.99996591f;
  q = q * r + 1.99999941f;
  const float power = detail::power_of_two(detail::low_integer(shifted));
  const float above = power * (q * r) + (power + 1.0f);
  const float square = a * a;
  const float below = (-5.48771095e-3f * square + 1.19993829f) * square + 3.00000472f;
  const bool small = a < 0.7f;
  const float most = small ? a : 1.0f;
  return std::copysign(most - most * ((small ? square : 2.0f) / (small ? below : above)), x);
}

// 1/√x.
inline float rsqrt(float x) { return 1.0f / std::sqrt(x); }

inline float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }

// x = 2^e (1 + f) with 2/3 <= 1 + f < 4/3; log(1 + f) = f - f²/2 + f³ q(f).
inline float log(float x) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const bool denormal = x < 1.17549435e-38f;
  const uint32_t bits = std::bit_cast<uint32_t>(denormal ? x * 8388608.0f : x);
  const int32_t exponent = static_cast<int32_t>(bits - 0x3f2aaaabu) >> 23;
  const float f = std::bit_cast<float>(bits - (static_cast<uint32_t>(exponent) << 23)) - 1.0f;
  const float e = static_cast<float>(exponent) - (denormal ? 23.0f : 0.0f);
  float q = -1.28936524e-1f;
  q = q * f + 1.39864797e-1f;
  q = q * f - 1.21838540e-1f;
  q = q * f + 1.40054904e-1f;
  q = q * f - 1.66805135e-1f;
  q = q * f + 2.00104266e-1f;
  q = q * f - 2.49997972e-1f;
  q = q * f + 3.33332157e-1f;
  const float square = f * f;
  const float tail = e * -2.12194440e-4f + (square * f * q - 0.5f * square);
  float y = e * 0.693359375f + (f + tail);
  y = x == kInfinity || x != x ? x : y;
  y = x == 0.0f ? -kInfinity : y;
  return x < 0.0f ? std::numeric_limits<float>::quiet_NaN() : y;
}

namespace detail {

// For a >= 0, with g = e^(-a²/2): Φ(-a) = g · h(a), where h falls slowly, from 1/2 to 1/(a √(2π)). It is a polynomial
// in u = 0.28 a / (1 + 0.28 a) (the form of Hastings' approximations) with an error of 1.2e-8 / g for a <= 14.5.
inline float normal_tail(float a, float g) {
  const float scaled = 0.28f * a;
  const float u = scaled / (1.0f + scaled);
  float h = -1.07338677e-1f;
  h = h * u + 2.46387735e-1f;
  h = h * u + 1.24833265e-1f;
  h = h * u - 1.10347609f;
  h = h * u + 1.76388563f;
  h = h * u - 1.42479191f;
  h = h * u + 0.5f;
  return g * h;
}

// |x|, at most 14.5, where e^(-x²/2) has fallen to 0.
inline float bounded_magnitude(float x) {
  const float a = std::fabs(x);
  return a > 14.5f ? 14.5f : a;
}

}  // namespace detail

// x + x p(x²) near 0, and 1 - 2 Φ(-√2 |x|) elsewhere.
inline float erf(float x) {
  const float z = x * x;
  float p = -6.09049151e-4f;
  p = p * z + 5.01199250e-3f;
  p = p * z - 2.67789333e-2f;
  p = p * z + 1.12821417e-1f;
  p = p * z - 3.76125234e-1f;
  p = p * z + 1.28379150e-1f;
  const float a = detail::bounded_magnitude(x * 1.41421356f);
  const float far = std::copysign(1.0f - 2.0f * detail::normal_tail(a, exp(-0.5f * a * a)), x);
  return std::fabs(x) < 0.9f ? x + x * p : far;
}

// Φ(x), the standard normal distribution function.
inline float normal_cdf(float x) {
  const float a = detail::bounded_magnitude(x);
  const float tail = detail::normal_tail(a, exp(-0.5f * a * a));
  return x > 0.0f ? 1.0f - tail : tail;
}

// Exact GELU (Hendrycks and Gimpel, 2016): x Φ(x) = max(x, 0) - |x| Φ(-|x|), which is accurate in both tails.
inline float gelu(float x) {
  const float a = detail::bounded_magnitude(x);
  return (x > 0.0f ? x : 0.0f) - a * detail::normal_tail(a, exp(-0.5f * a * a));
}

// GELU for results that are rounded to bf16, whose rounding is 700 times its error, in half of gelu()'s time: no
// exponential, no division. With a = min(|x|, 5) and s = 1 - a/5, Φ(-a) = s⁴ p(s), which is 0 where Φ(-5) = 2.9e-7. The
// polynomial is in 2 s - 1, since its coefficients are small there.
inline float coarse_gelu(float x) {
  const float magnitude = std::fabs(x), a = magnitude > 5.0f ? 5.0f : magnitude;
  const float s = (5.0f - a) * 0.2f, t = 2.0f * s - 1.0f;
  float p = -1.20192125e-1f;
  p = p * t + 2.79025108e-1f;
  p = p * t + 9.74424407e-2f;
  p = p * t - 3.82792532e-1f;
  p = p * t - 2.61350542e-1f;
  p = p * t + 1.07179031e-1f;
  p = p * t + 3.77856046e-1f;
  p = p * t + 3.03440779e-1f;
  p = p * t + 9.93943214e-2f;
  const float square = s * s;
  return (x > 0.0f ? x : 0.0f) - a * (square * square * p);
}

// Φ(x) + x φ(x), φ(x) = e^(-x²/2) / √(2π).
inline float gelu_derivative(float x) {
  const float a = detail::bounded_magnitude(x);
  const float g = exp(-0.5f * a * a);
  const float tail = detail::normal_tail(a, g);
  return (x > 0.0f ? 1.0f - tail : tail) + std::copysign(a, x) * (static_cast<float>(kInverseSqrt2Pi) * g);
}

// gelu(x) and gelu_derivative(x), bit for bit, from one exponential.
template <class T>
struct GeluAndDerivative {
  T value, derivative;
};
inline GeluAndDerivative<float> gelu_and_derivative(float x) {
  const float a = detail::bounded_magnitude(x);
  const float g = exp(-0.5f * a * a);
  const float tail = detail::normal_tail(a, g);
  const float value = (x > 0.0f ? x : 0.0f) - a * tail;
  return {value, (x > 0.0f ? 1.0f - tail : tail) + std::copysign(a, x) * (static_cast<float>(kInverseSqrt2Pi) * g)};
}

inline double exp(double x) { return std::exp(x); }
inline double log(double x) { return std::log(x); }
inline double tanh(double x) { return std::tanh(x); }
inline double erf(double x) { return std::erf(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline double sigmoid(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }

inline double normal_cdf(double x) { return 0.5 * std::erfc(-kSqrtHalf * x); }
inline double gelu(double x) { return x * normal_cdf(x); }
inline double gelu_derivative(double x) { return normal_cdf(x) + x * kInverseSqrt2Pi * std::exp(-0.5 * x * x); }
inline GeluAndDerivative<double> gelu_and_derivative(double x) { return {gelu(x), gelu_derivative(x)}; }

}  // namespace tessera::vmath
