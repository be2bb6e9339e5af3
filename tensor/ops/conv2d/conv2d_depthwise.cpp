// Convolution where each output channel sees one input channel: no product is worth its packing. Rows of columns, one
// for each place of the kernel, are unfolded into the first cache, scaled and added.
#include <algorithm>

#include "tensor/ops/conv2d/conv2d_columns.h"
#include "tensor/ops/conv2d/conv2d_cpu.h"
#include "tensor/ops/scratch.h"
#include "tensor/parallel.h"
#include "tensor/simd/reductions.h"

namespace tessera::ops::detail {
namespace {

constexpr int64_t kRun = 1024;  // pixels at once

// Calls body(place, first, count) for every run of the output's pixels and, within it, every place of the kernel.
template <class Body>
void for_places(const Windows2d& w, Body&& body) {
  const int64_t pixels = w.output.area(), kernel = w.kernel.area();
  for (int64_t first = 0; first < pixels; first += kRun)
    for (int64_t place = 0; place < kernel; ++place) body(place, first, std::min(kRun, pixels - first));
}

template <class T>
T* run_buffer() {
  return Scratch::of_this_thread(Scratch::bytes_for<T>(kRun)).template take<T>(kRun);
}

}  // namespace

template <class T>
void depthwise_forward(const Conv2dSizes& s, const T* x, const T* weight, const T* bias, T* y) {
  const Windows2d& w = s.windows;
  const int64_t plane = w.input.area(), pixels = s.pixels(), kernel = w.kernel.area();
  parallel_for(s.images * s.out, grain_for(pixels * kernel), [&](int64_t begin, int64_t end) {
    T* run = run_buffer<T>();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t o = i % s.out, channel = i / s.out * s.channels + o / s.group_out();
      T* to = y + i * pixels;
      std::fill_n(to, pixels, bias ? bias[o] : T{0});
      for_places(w, [&](int64_t place, int64_t first, int64_t count) {
        unfold_row(x + channel * plane, w, place / w.kernel.width, place % w.kernel.width, first, count, run);
        const T scale = weight[o * kernel + place];
        for (int64_t j = 0; j < count; ++j) to[first + j] += scale * run[j];
      });
    }
  });
}

template <class T>
void depthwise_data_backward(const Conv2dSizes& s, const T* dy, const T* weight, T* dx) {
  const Windows2d& w = s.windows;
  const int64_t plane = w.input.area(), pixels = s.pixels(), kernel = w.kernel.area(), out = s.group_out();
  parallel_for(s.images * s.channels, grain_for(pixels * kernel * out), [&](int64_t begin, int64_t end) {
    T* run = run_buffer<T>();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t channel = i % s.channels, image = i / s.channels;
      T* to = dx + i * plane;
      std::fill_n(to, plane, T{0});
      for (int64_t o = channel * out; o < (channel + 1) * out; ++o) {
        const T* from = dy + (image * s.out + o) * pixels;
        for_places(w, [&](int64_t place, int64_t first, int64_t count) {
          const T scale = weight[o * kernel + place];
          for (int64_t j = 0; j < count; ++j) run[j] = scale * from[first + j];
          fold_row(run, w, place / w.kernel.width, place % w.kernel.width, first, count, to);
        });
      }
    }
  });
}

template <class T>
void depthwise_weight_backward(const Conv2dSizes& s, const T* dy, const T* x, T* dw, bool accumulate) {
  const Windows2d& w = s.windows;
  const int64_t plane = w.input.area(), pixels = s.pixels(), kernel = w.kernel.area();
  parallel_for(s.out, grain_for(s.images * pixels * kernel), [&](int64_t begin, int64_t end) {
    T* run = run_buffer<T>();
    for (int64_t o = begin; o < end; ++o) {
      T* to = dw + o * kernel;
      if (!accumulate) std::fill_n(to, kernel, T{0});
      for (int64_t n = 0; n < s.images; ++n)
        for_places(w, [&](int64_t place, int64_t first, int64_t count) {
          unfold_row(x + (n * s.channels + o / s.group_out()) * plane, w, place / w.kernel.width,
                     place % w.kernel.width, first, count, run);
          to[place] += simd::dot(run, dy + (n * s.out + o) * pixels + first, count);
        });
    }
  });
}

template void depthwise_forward(const Conv2dSizes&, const float*, const float*, const float*, float*);
template void depthwise_forward(const Conv2dSizes&, const double*, const double*, const double*, double*);
template void depthwise_data_backward(const Conv2dSizes&, const float*, const float*, float*);
template void depthwise_data_backward(const Conv2dSizes&, const double*, const double*, double*);
template void depthwise_weight_backward(const Conv2dSizes&, const float*, const float*, float*, bool);
template void depthwise_weight_backward(const Conv2dSizes&, const double*, const double*, double*, bool);

}  // namespace tessera::ops::detail
