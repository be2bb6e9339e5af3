// IEEE 754 half precision: 1 sign, 5 exponent and 10 fraction bits.
#pragma once

#include <bit>
#include <cstdint>

namespace tessera {

// Exact: f32 holds every half. A NaN keeps its payload.
inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: fraction · 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 0xffu : exponent + 112;  // 112 = 127 - 15
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

}  // namespace tessera
