// The inner loops of the loader, in a form that every machine runs and one for AVX-512. Both give the same bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "data/images/resize_filter.h"

namespace tessera {

// levels[c][x] = (float(x) / 255 - mean[c]) / std[c], in float32 in this order.
struct PixelLevels {
  float mean[3], std[3];
  float levels[3][256];
};

// Pointers only: what they point at is compiled with flags of its own and has to share no inline function with the
// rest.
struct PixelKernels {
  const char* name;

  // out(y, x) = sum over the window of y of weight * in(row, x): filters along the first dimension. in [any, length],
  // out [outputs, length]; `stride` bytes from row to row of each.
  void (*filter_rows)(const uint8_t* in, int64_t in_stride, int length, const Filter::Window* windows, int outputs,
                      const int32_t* weights, uint8_t* out, int64_t out_stride);

  // Rows of pixels of three channels, each filtered along its length of in_bytes to out_bytes. Null where the machine
  // has no instruction for it.
  void (*filter_columns)(const uint8_t* in, int rows, int in_bytes, const ColumnStep* steps, int steps_per_block,
                         uint8_t* out, int out_bytes);

  // A square of `side` pixels, rows `stride` bytes apart: out [3, side, side] of norm.levels[c][pixel]. A form that
  // computes the values instead is used only where it gives the same bits for every level (see PatchExtractor).
  void (*normalise)(const uint8_t* pixels, int64_t stride, int side, const PixelLevels& norm, float* out);
};

const PixelKernels& portable_pixel_kernels();
// The fastest that this machine can run and instruction_set() allows.
const PixelKernels& pixel_kernels();
// All that this machine can run, the portable ones first.
std::vector<const PixelKernels*> usable_pixel_kernels();

}  // namespace tessera
