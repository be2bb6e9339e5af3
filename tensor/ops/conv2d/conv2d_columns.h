// What windows see, copied side by side (im2col), and added back (col2im). A row of columns belongs to one channel and
// one place (ky, kx) of the kernel; its elements are a run of the output's pixels, row-major.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/ops/window2d.h"

namespace tessera::ops {

// Which elements of a run of windows lie within a row of `width` elements: i in [begin, end), window i at first + i ·
// stride.
struct InsideRun {
  int64_t begin, end;

  InsideRun(int64_t first, int64_t stride, int64_t width, int64_t count) {
    begin = first >= 0 ? 0 : std::min(count, (-first + stride - 1) / stride);
    end = first >= width ? begin : std::clamp((width - first + stride - 1) / stride, begin, count);
  }
};

// Calls body(offset, n, inside, at) for each run of windows of one row of the output within pixels [first, first +
// count): they are elements [offset, offset + n) of the run of pixels; `inside` are those of them within the plane, and
// element i of the plane's is at + i · stride. Where the whole row lies outside, `inside` is empty.
template <class Body>
inline void for_runs(const Windows2d& w, int64_t ky, int64_t kx, int64_t first, int64_t count, Body&& body) {
  int64_t row = first / w.output.width, column = first % w.output.width;
  for (int64_t done = 0; done < count; ++row, column = 0) {
    const int64_t n = std::min(count - done, w.output.width - column);
    const int64_t y = row * w.stride.height + ky * w.dilation.height - w.padding.height;
    const int64_t x = column * w.stride.width + kx * w.dilation.width - w.padding.width;
    const bool outside = y < 0 || y >= w.input.height;
    body(done, n, InsideRun(outside ? w.input.width : x, w.stride.width, w.input.width, n), y * w.input.width + x);
    done += n;
  }
}

// to [count] = what the windows of pixels [first, first + count) see of `plane` at (ky, kx).
template <class T>
inline void unfold_row(const T* plane, const Windows2d& w, int64_t ky, int64_t kx, int64_t first, int64_t count,
                       T* __restrict to) {
  for_runs(w, ky, kx, first, count, [&](int64_t offset, int64_t n, const InsideRun& inside, int64_t at) {
    T* __restrict out = to + offset;
    const T* __restrict in = plane + at;
    std::fill(out, out + inside.begin, T{0});
    if (w.stride.width == 1)
      std::copy(in + inside.begin, in + inside.end, out + inside.begin);
    else
      for (int64_t i = inside.begin; i < inside.end; ++i) out[i] = in[i * w.stride.width];
    std::fill(out + inside.end, out + n, T{0});
  });
}

// The transpose: adds from [count] to where `unfold_row` reads.
template <class T>
inline void fold_row(const T* from, const Windows2d& w, int64_t ky, int64_t kx, int64_t first, int64_t count,
                     T* plane) {
  for_runs(w, ky, kx, first, count, [&](int64_t offset, int64_t, const InsideRun& inside, int64_t at) {
    const T* __restrict in = from + offset;
    T* __restrict out = plane + at;
    if (w.stride.width == 1)
      for (int64_t i = inside.begin; i < inside.end; ++i) out[i] += in[i];
    else
      for (int64_t i = inside.begin; i < inside.end; ++i) out[i * w.stride.width] += in[i];
  });
}

// Rows [begin, end) of the columns of `planes` (the first channel's plane; others follow), each `distance` apart.
template <class T>
inline void unfold(const T* planes, const Windows2d& w, int64_t begin, int64_t end, int64_t first, int64_t count, T* to,
                   int64_t distance) {
  const int64_t kernel = w.kernel.area(), plane = w.input.area();
  for (int64_t r = begin; r < end; ++r, to += distance) {
    const int64_t place = r % kernel;
    unfold_row(planes + r / kernel * plane, w, place / w.kernel.width, place % w.kernel.width, first, count, to);
  }
}
template <class T>
inline void fold(const T* from, int64_t distance, const Windows2d& w, int64_t begin, int64_t end, int64_t first,
                 int64_t count, T* planes) {
  const int64_t kernel = w.kernel.area(), plane = w.input.area();
  for (int64_t r = begin; r < end; ++r, from += distance) {
    const int64_t place = r % kernel;
    fold_row(from, w, place / w.kernel.width, place % w.kernel.width, first, count, planes + r / kernel * plane);
  }
}

}  // namespace tessera::ops
