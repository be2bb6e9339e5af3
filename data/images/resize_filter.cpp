#include "data/images/resize_filter.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr int kValues = 16;  // of a block
constexpr int kTaps = 4;     // of a step
constexpr int kReach = 64;   // bytes

double cubic_kernel(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

double triangle_kernel(double x) { return std::max(1 - std::abs(x), 0.0); }

// Bytes of the input row that value `value` takes in step `step`, as a half-open range; empty past its window.
struct Range {
  int begin, end;
};
Range bytes_of(const Filter& filter, int value, int step) {
  const Filter::Window& window = filter.windows[static_cast<size_t>(value / kFilterChannels)];
  const int taps = std::clamp(window.count - kTaps * step, 0, kTaps);
  const int begin = (window.first + kTaps * step) * kFilterChannels + value % kFilterChannels;
  return {begin, begin + (taps - 1) * kFilterChannels + 1};
}

// False when the values reach over more bytes than one vector holds.
bool fill_step(const Filter& filter, int in, int block, int step, ColumnStep& out) {
  const int first = block * kValues;
  const int count = std::min(kValues, static_cast<int>(filter.windows.size()) * kFilterChannels - first);
  int begin = in * kFilterChannels, end = 0;
  for (int v = 0; v < count; ++v) {
    const Range range = bytes_of(filter, first + v, step);
    if (range.end <= range.begin) continue;
    begin = std::min(begin, range.begin);
    end = std::max(end, range.end);
  }
  // A whole vector is read, and it has to end with the row where the row is long enough.
  out.offset = std::max(0, std::min(begin, in * kFilterChannels - kReach));
  if (end - out.offset > kReach) return false;
  for (int v = 0; v < count; ++v) {
    const Filter::Window& window = filter.windows[static_cast<size_t>((first + v) / kFilterChannels)];
    const Range range = bytes_of(filter, first + v, step);
    for (int t = 0; range.begin + t * kFilterChannels < range.end; ++t) {
      const int at = v * kTaps + t;
      const WeightDigits digits = digits_of(filter.weights[window.weights + static_cast<size_t>(kTaps * step + t)]);
      out.source[at] = static_cast<uint8_t>(range.begin + t * kFilterChannels - out.offset);
      out.low[at] = digits.low;
      out.middle[at] = digits.middle;
      out.high[at] = digits.high;
    }
  }
  return true;
}

}  // namespace

// The data library is compiled without fused multiply-add (data/meson.build), because the reference values are; a fused
// one can round a window's end to the other side.
Filter make_filter(int in, int out, FilterKind kind) {
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(scale, 1.0);
  const bool cubic = kind == FilterKind::bicubic;
  const double support = (cubic ? 2 : 1) * stretch;
  const double inverse = 1.0 / stretch;

  Filter filter;
  filter.windows.reserve(static_cast<size_t>(out));
  std::vector<double> shares;
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int last = std::min(static_cast<int>(centre + support + 0.5), in);
    shares.clear();
    double sum = 0;
    for (int j = 0; j < last - first; ++j) {
      const double distance = (j + first - centre + 0.5) * inverse;
      shares.push_back(cubic ? cubic_kernel(distance) : triangle_kernel(distance));
      sum += shares.back();
    }
    filter.windows.push_back({first, last - first, filter.weights.size()});
    for (double share : shares) {
      const double weight = (sum != 0 ? share / sum : share) * (1 << kFilterWeightBits);
      filter.weights.push_back(static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5));
      filter.in_digits &= std::abs(filter.weights.back()) <= kLargestDigitWeight;
    }
  }
  return filter;
}

ColumnPlan make_column_plan(const Filter& filter, int in) {
  int most_taps = 0;
  for (const Filter::Window& window : filter.windows) most_taps = std::max(most_taps, window.count);
  ColumnPlan plan;
  plan.steps_per_block = (most_taps + kTaps - 1) / kTaps;
  // Each step of a strong reduction would reach too far; no need to fill one to see it.
  if (static_cast<size_t>(in) > filter.windows.size() * kReach / kValues) return plan;
  const int blocks = (static_cast<int>(filter.windows.size()) * kFilterChannels + kValues - 1) / kValues;
  plan.steps.resize(static_cast<size_t>(blocks) * plan.steps_per_block);
  for (int block = 0; block < blocks; ++block)
    for (int step = 0; step < plan.steps_per_block; ++step)
      if (!fill_step(filter, in, block, step, plan.steps[static_cast<size_t>(block * plan.steps_per_block + step)])) {
        plan.steps.clear();
        return plan;
      }
  return plan;
}

}  // namespace tessera
