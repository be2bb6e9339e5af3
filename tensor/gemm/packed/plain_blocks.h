// The loops of packing in plain C++: what the vector forms must equal, and what the compiler vectorises well enough
// where there are none. In an unnamed namespace on purpose: each file that includes this has its own, compiled with its
// own flags.
#pragma once

#include <cstdint>
#include <cstring>

namespace tessera::products {
namespace {

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t rounded_bits(float value) {
  const uint32_t word = bits_of(value);
  const bool is_nan = (word & 0x7fffffffu) > 0x7f800000u;
  return is_nan ? (word >> 16) | 0x40u : (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
}

[[maybe_unused]] void plain_transpose_words(const uint16_t* from, int64_t stride, uint16_t* to) {
  for (int64_t i = 0; i < 16; ++i)
    for (int64_t j = 0; j < 16; ++j) std::memcpy(to + (j * 16 + i) * 2, from + i * stride + j * 2, 4);
}

[[maybe_unused]] void plain_interleave(const uint16_t* from, int64_t stride, uint16_t* __restrict to) {
  for (int64_t pair = 0; pair < 16; ++pair, from += 2 * stride, to += 32)
    for (int64_t j = 0; j < 16; ++j) {
      to[2 * j] = from[j];
      to[2 * j + 1] = from[stride + j];
    }
}

[[maybe_unused]] void plain_round(const float* from, int64_t count, uint16_t* to) {
  for (int64_t i = 0; i < count * 16; ++i) to[i] = static_cast<uint16_t>(rounded_bits(from[i]));
}

[[maybe_unused]] void plain_split(const float* from, int64_t count, uint16_t* high, uint16_t* low) {
  for (int64_t i = 0; i < count * 16; ++i) {
    const uint32_t upper = rounded_bits(from[i]);
    const uint32_t rest = rounded_bits(from[i] - float_of(upper << 16));
    high[i] = static_cast<uint16_t>(upper);
    low[i] = static_cast<uint16_t>((upper & 0x7f80u) == 0x7f80u ? 0 : rest);
  }
}

}  // namespace
}  // namespace tessera::products
