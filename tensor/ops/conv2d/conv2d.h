// Convolution of planes (in the field's sense: a correlation), channels first.
//
//   y[n, o, i, j] = bias[o] + Σ_{c, ky, kx} weight[o, c, ky, kx] · x[n, g · C + c, i s - p + ky d, j s - p + kx d]
//
// with stride s, padding p and dilation d of each side, x zero outside of its plane, and g the group of o: with
// `groups` groups, C = channels / groups is the number of input channels that an output channel sees.
//
// As a product. Let columns [C · kernel, pixels] hold in column (i, j) what window (i, j) sees (im2col). For each image
// and group, y = W · columns, with W the group's weights as a matrix [out / groups, C · kernel]. So
//
//   d_columns = Wᵀ dy,  dW = Σ_n dy · columnsᵀ,  db[o] = Σ_{n, i, j} dy[n, o, i, j],
//
// and dx[n, c, y, x] is the sum of d_columns over all places where x[n, c, y, x] was copied to (col2im). With stride 1
// that is again a convolution, of dy by the kernel turned around.
//
// x [n, channels, height, width], weight [out, channels / groups, kernel height, kernel width], bias [out] or
// undefined, y [n, out, output height, output width] with sizes as of window_count (window2d.h). f32, f64, and bf16
// with f32 weights, biases and their gradients: bf16 activations are widened, sums are f32, and y and dx are rounded
// once. No image, and no input or output channels, are allowed. Errors name the shapes.
// On the CPU, small convolutions in f32 are formed in f64 and rounded once.
#pragma once

#include "tensor/ops/window2d.h"
#include "tensor/tensor.h"

namespace tessera::ops {

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dSettings& settings);

// dx, of the shape of x.
Tensor conv2d_data_gradient(const Tensor& dy, const Tensor& weight, const Shape& x_shape,
                            const Conv2dSettings& settings);
// dW, written to `dw` (contiguous, the weight's shape) or added to it.
void conv2d_weight_gradient_(Tensor& dw, const Tensor& dy, const Tensor& x, const Conv2dSettings& settings,
                             bool accumulate);
// Σ over all but channels of x [n, channels, ...], written to `sums` [channels] or added to it.
void channel_sums_(Tensor& sums, const Tensor& x, bool accumulate);

}  // namespace tessera::ops
