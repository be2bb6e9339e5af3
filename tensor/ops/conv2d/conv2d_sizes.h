// All sizes of one convolution, as its kernels take them.
#pragma once

#include "tensor/ops/window2d.h"

namespace tessera::ops {

struct Conv2dSizes {
  int64_t images, channels, out, groups;
  Windows2d windows;

  constexpr int64_t group_channels() const { return channels / groups; }
  constexpr int64_t group_out() const { return out / groups; }
  constexpr int64_t depth() const {
    return group_channels() * windows.kernel.area();
  }  // terms of an output, rows of columns
  constexpr int64_t pixels() const { return windows.output.area(); }
  // Few outputs for each channel: rows of columns are used once or a few times.
  constexpr bool depthwise() const { return group_channels() == 1 && group_out() <= 4; }
};

}  // namespace tessera::ops
