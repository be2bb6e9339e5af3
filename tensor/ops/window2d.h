// Windows that slide over planes [height, width]: what convolution and pooling have in common. Window (i, j) of the
// output covers, in the input, rows i · stride - padding + ky · dilation for ky < kernel, and likewise columns; what
// lies outside of the input is padding.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ostream>

#include "tensor/error.h"

namespace tessera {

// Both sizes, or one number for both.
struct Size2d {
  int64_t height = 0, width = 0;

  constexpr Size2d() = default;
  constexpr Size2d(int64_t both) : height(both), width(both) {}
  constexpr Size2d(int64_t rows, int64_t columns) : height(rows), width(columns) {}

  constexpr int64_t area() const { return height * width; }
  constexpr int64_t least() const { return std::min(height, width); }
  bool operator==(const Size2d&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Size2d& size) {
    return out << size.height << " x " << size.width;
  }
};

// Of a convolution. Input and output channels are cut into `groups` equal runs; run g of the output sees run g of the
// input alone.
struct Conv2dSettings {
  Size2d stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
};

// Of a pooling. A stride of 0 is the kernel's size. ceil_mode: sizes of the output are rounded up, not down, so that
// the last window may reach beyond the padding, but none begins there. count_padding (torch: count_include_pad): the
// divisor of an average counts padding, though not what lies beyond it.
struct Pool2dSettings {
  Size2d kernel = 1, stride = 0, padding = 0, dilation = 1;
  bool ceil_mode = false;
  bool count_padding = true;
};

namespace ops {

// All sizes of one call.
struct Windows2d {
  Size2d input, kernel, stride, padding, dilation, output;
};

// The number of windows along one side: floor or ceil of (input + 2 padding - dilation (kernel - 1) - 1) / stride, plus
// one; 0 where not even one fits.
inline int64_t window_count(int64_t input, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                            bool ceil_mode = false) {
  const int64_t room = input + 2 * padding - dilation * (kernel - 1) - 1;
  if (room < 0) return 0;
  int64_t count = (ceil_mode ? room + stride - 1 : room) / stride + 1;
  if (ceil_mode && (count - 1) * stride >= input + padding) --count;
  return count;
}

// Throws, naming the op, where a size makes no sense or no window fits.
inline Windows2d make_windows(const char* op, Size2d input, Size2d kernel, Size2d stride, Size2d padding,
                              Size2d dilation, bool ceil_mode = false) {
  constexpr int64_t kMost = int64_t{1} << 31;  // products of two stay within 64 bits
  check(kernel.least() >= 1 && kernel.height < kMost && kernel.width < kMost, op, ": kernel is ", kernel,
        ", expected at least 1 x 1");
  check(stride.least() >= 1 && stride.height < kMost && stride.width < kMost, op, ": stride is ", stride,
        ", expected at least 1 x 1");
  check(dilation.least() >= 1 && dilation.height < kMost && dilation.width < kMost, op, ": dilation is ", dilation,
        ", expected at least 1 x 1");
  check(padding.least() >= 0 && padding.height < kMost && padding.width < kMost, op, ": padding is ", padding,
        ", expected at least 0 x 0");
  Windows2d w{input, kernel, stride, padding, dilation, {}};
  w.output = {window_count(input.height, kernel.height, stride.height, padding.height, dilation.height, ceil_mode),
              window_count(input.width, kernel.width, stride.width, padding.width, dilation.width, ceil_mode)};
  check(w.output.least() >= 1, op, ": no window of ", kernel, ", dilation ", dilation, ", fits into ", input,
        " with padding ", padding);
  return w;
}

}  // namespace ops
}  // namespace tessera
