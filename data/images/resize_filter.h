// The weights of a filter along one side, and their forms for vector instructions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera {

inline constexpr int kFilterWeightBits = 22;
inline constexpr int kFilterChannels = 3;  // of the rows that are filtered

// What three signed digits in base 256 can hold of either sign, about 1.99 in units of 2^-22; the weights of a bicubic
// filter stay below 1.2, those of a bilinear one are at most 1.
inline constexpr int32_t kLargestDigitWeight = 127 * ((1 << 16) + (1 << 8) + 1);

// For each output position the first input position, how many follow, and their weights in units of 2^-22.
struct Filter {
  struct Window {
    int first;
    int count;
    size_t weights;  // index of the first one
  };
  std::vector<Window> windows;
  std::vector<int32_t> weights;
  bool in_digits = true;  // no weight is beyond kLargestDigitWeight
};

enum class FilterKind : uint8_t {
  bicubic,   // Keys, a = -0.5
  bilinear,  // a triangle
};

Filter make_filter(int in, int out, FilterKind kind = FilterKind::bicubic);

// A weight as three signed digits in base 256, for instructions that multiply bytes by bytes: w = low + 2^8 middle +
// 2^16 high, for |w| <= kLargestDigitWeight. Always inlined, so that no copy compiled for one instruction set serves
// another.
struct WeightDigits {
  int8_t low, middle, high;
};

[[gnu::always_inline]] constexpr WeightDigits digits_of(int32_t weight) {
  const auto low = static_cast<int8_t>(weight & 255);
  const int32_t rest = (weight - low) >> 8;
  const auto middle = static_cast<int8_t>(rest & 255);
  return {low, middle, static_cast<int8_t>((rest - middle) >> 8)};
}

// Four weights of each of 16 neighbouring values of an output row (a value is a channel of a pixel: 5 1/3 pixels).
// Value v takes input bytes offset + source[4 v + t], t < 4, with the weights whose digits are low, middle and high [4
// v + t].
struct alignas(64) ColumnStep {
  uint8_t source[64];
  int8_t low[64], middle[64], high[64];
  int32_t offset;
};

// A filter of rows of `in` pixels of three channels, cut into blocks of 16 output values, each with the same number of
// steps.
struct ColumnPlan {
  int steps_per_block = 0;
  std::vector<ColumnStep> steps;  // [blocks, steps_per_block]; empty where a step would reach over more than 64 bytes
};

ColumnPlan make_column_plan(const Filter& filter, int in);

}  // namespace tessera
