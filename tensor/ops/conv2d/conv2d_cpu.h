// Convolution on the CPU: arrays in, arrays out, T = float or double.
//
// A thread takes a band of an image's pixels, unfolds a few rows of the columns at a time, so few that they are read
// again from the cache, and multiplies them where they lie (simd::product). Bands and pieces are cut by sizes alone, so
// that results are the same bits on any number of threads. Where each output channel sees one channel, nothing is
// multiplied twice, and rows of columns are scaled and added as they are (conv2d_depthwise.cpp).
#pragma once

#include "tensor/ops/window2d.h"

namespace tessera::ops {

struct Conv2dSizes {
  int64_t images, channels, out, groups;
  Windows2d windows;

  int64_t group_channels() const { return channels / groups; }
  int64_t group_out() const { return out / groups; }
  int64_t depth() const { return group_channels() * windows.kernel.area(); }  // terms of an output, rows of columns
  int64_t pixels() const { return windows.output.area(); }
  // Few outputs for each channel: rows of columns are used once or a few times.
  bool depthwise() const { return group_channels() == 1 && group_out() <= 4; }
};

// x [images, channels, input], weight [out, depth], bias [out] or null, y [images, out, output].
template <class T>
void conv2d_forward(const Conv2dSizes& sizes, const T* x, const T* weight, const T* bias, T* y);
// dx, overwritten, of dy.
template <class T>
void conv2d_data_backward(const Conv2dSizes& sizes, const T* dy, const T* weight, T* dx);
// dw, overwritten or added to.
template <class T>
void conv2d_weight_backward(const Conv2dSizes& sizes, const T* dy, const T* x, T* dw, bool accumulate);

namespace detail {

// The same where sizes.depthwise().
template <class T>
void depthwise_forward(const Conv2dSizes& sizes, const T* x, const T* weight, const T* bias, T* y);
template <class T>
void depthwise_data_backward(const Conv2dSizes& sizes, const T* dy, const T* weight, T* dx);
template <class T>
void depthwise_weight_backward(const Conv2dSizes& sizes, const T* dy, const T* x, T* dw, bool accumulate);

}  // namespace detail
}  // namespace tessera::ops
