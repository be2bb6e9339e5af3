// Convolution on the CPU: arrays in, arrays out, T = float or double.
//
// A thread takes a band of an image's pixels, unfolds a few rows of the columns at a time, so few that they are read
// again from the cache, and multiplies them where they lie (simd::product). Bands and pieces are cut by sizes alone, so
// that results are the same bits on any number of threads. Where each output channel sees one channel, nothing is
// multiplied twice, and rows of columns are scaled and added as they are (conv2d_depthwise.cpp).
#pragma once

#include "tensor/ops/conv2d/conv2d_sizes.h"

namespace tessera::ops {

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
