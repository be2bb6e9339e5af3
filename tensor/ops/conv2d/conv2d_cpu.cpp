#include "tensor/ops/conv2d/conv2d_cpu.h"

#include <algorithm>

#include "tensor/ops/conv2d/conv2d_columns.h"
#include "tensor/ops/scratch.h"
#include "tensor/parallel.h"
#include "tensor/simd/packing.h"
#include "tensor/simd/small_product.h"
#include "tensor/tensor.h"

namespace tessera::ops {

namespace conv2d_detail {

constexpr int64_t divided_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `size` in pieces of equal length, a multiple of `unit`, at least `wanted` of them, and none longer than `most`.
struct Pieces {
  int64_t size, length, count;

  Pieces(int64_t total, int64_t wanted, int64_t most, int64_t unit) : size(total) {
    const int64_t pieces = std::max({wanted, divided_up(total, most), int64_t{1}});
    length = std::max(divided_up(divided_up(total, pieces), unit) * unit, unit);
    count = divided_up(total, length);
  }
  int64_t begin(int64_t piece) const { return piece * length; }
  int64_t end(int64_t piece) const { return std::min(size, (piece + 1) * length); }
};

}  // namespace conv2d_detail

namespace {

using conv2d_detail::divided_up;
using conv2d_detail::Pieces;

// How many pieces a call is cut into at least, beside the `given` ones: so many that each has some 4 million
// multiply-adds, eight at most, which divide evenly among the usual numbers of threads.
int64_t pieces_wanted(const Conv2dSizes& s, int64_t given) {
  const double work = static_cast<double>(s.images * s.pixels()) * static_cast<double>(s.out * s.depth());
  const auto whole = static_cast<int64_t>(std::min(work / 4e6, 8.0));
  return divided_up(std::max<int64_t>(whole, 1), std::max<int64_t>(given, 1));
}

// Pixels that a thread works on at once, rows of columns that it holds: a tile of the columns, as wide as the
// registers' block, has kConvDepth · 256 bytes, which stay in the first cache while all output channels pass.
constexpr int64_t kConvBand = 256, kConvDepth = 128;
template <class T>
constexpr int64_t kConvTile = simd::detail::kColumns* simd::kLanes<T>;

// From row to row: whole vectors, and not a power of two, that rows do not compete for the same few cache lines.
template <class T>
constexpr int64_t column_row_distance(int64_t width) {
  return simd::padded<T>(width) + simd::kLanes<T>;
}

// C [m, n] = or += A · B as simd::product, but of C no more than n columns are touched. `spare` [m, kLanes].
template <class T>
void columns_product(simd::Operand<T> a, const T* b, int64_t ldb, T* c, int64_t ldc, int64_t m, int64_t n, int64_t k,
                     bool add, T* spare) {
  const int64_t whole = n / simd::kLanes<T> * simd::kLanes<T>, rest = n - whole;
  for (int64_t j = 0; j < whole; j += kConvTile<T>)
    simd::product(a, b + j, ldb, c + j, ldc, m, std::min(kConvTile<T>, whole - j), k, add);
  if (rest == 0) return;
  for (int64_t i = 0; add && i < m; ++i) std::copy(c + i * ldc + whole, c + i * ldc + n, spare + i * simd::kLanes<T>);
  simd::product(a, b + whole, ldb, spare, int64_t{simd::kLanes<T>}, m, rest, k, add);
  for (int64_t i = 0; i < m; ++i) std::copy_n(spare + i * simd::kLanes<T>, rest, c + i * ldc + whole);
}

template <class T>
void clear_behind(T* rows, int64_t distance, int64_t count, int64_t width) {
  for (int64_t r = 0; r < count; ++r) std::fill(rows + r * distance + width, rows + (r + 1) * distance, T{0});
}

// One band of one image and group. x and y are the group's.
template <class T>
void forward_band(const Conv2dSizes& s, const T* x, const T* weight, const T* bias, T* y, int64_t first,
                  int64_t count) {
  const int64_t out = s.group_out(), depth = s.depth(), pixels = s.pixels(), distance = column_row_distance<T>(count);
  const Pieces steps(depth, 1, kConvDepth, 1);
  Scratch scratch = Scratch::of_this_thread(Scratch::bytes_for<T>(steps.length * distance) +
                                            Scratch::bytes_for<T>(out * simd::kLanes<T>));
  T* columns = scratch.take<T>(steps.length * distance);
  T* spare = scratch.take<T>(out * simd::kLanes<T>);
  clear_behind(columns, distance, steps.length, count);
  if (bias || depth == 0)
    for (int64_t o = 0; o < out; ++o) std::fill_n(y + o * pixels + first, count, bias ? bias[o] : T{0});
  for (int64_t step = 0; step < steps.count; ++step) {
    const int64_t begin = steps.begin(step), end = steps.end(step);
    unfold(x, s.windows, begin, end, first, count, columns, distance);
    columns_product({weight + begin, depth, 1}, columns, distance, y + first, pixels, out, count, end - begin,
                    bias != nullptr || step > 0, spare);
  }
}

// A run of channels of one image and group: their columns' gradient, band by band, added back.
template <class T>
void data_backward_channels(const Conv2dSizes& s, const T* dy, const T* weight, T* dx, int64_t first_channel,
                            int64_t end_channel) {
  const int64_t kernel = s.windows.kernel.area(), plane = s.windows.input.area();
  const int64_t out = s.group_out(), depth = s.depth(), pixels = s.pixels();
  const int64_t begin = first_channel * kernel, rows = (end_channel - first_channel) * kernel;
  std::fill(dx + first_channel * plane, dx + end_channel * plane, T{0});
  const Pieces bands(pixels, 1, kConvBand, simd::kLanes<T>), steps(out, 1, kConvDepth, 1);
  const int64_t distance = column_row_distance<T>(bands.length);
  Scratch scratch =
      Scratch::of_this_thread(Scratch::bytes_for<T>(steps.length * distance) + Scratch::bytes_for<T>(rows * distance) +
                              Scratch::bytes_for<T>(rows * simd::kLanes<T>));
  T* gradient = scratch.take<T>(steps.length * distance);
  T* columns = scratch.take<T>(rows * distance);
  T* spare = scratch.take<T>(rows * simd::kLanes<T>);
  for (int64_t band = 0; band < bands.count; ++band) {
    const int64_t first = bands.begin(band), count = bands.end(band) - first;
    clear_behind(gradient, distance, steps.length, count);
    for (int64_t step = 0; step < steps.count; ++step) {
      const int64_t from = steps.begin(step), to = steps.end(step);
      for (int64_t o = from; o < to; ++o) std::copy_n(dy + o * pixels + first, count, gradient + (o - from) * distance);
      columns_product({weight + from * depth + begin, 1, depth}, gradient, distance, columns, distance, rows, count,
                      to - from, step > 0, spare);
    }
    fold(columns, distance, s.windows, begin, begin + rows, first, count, dx);
  }
}

// dw [group_out, depth] += over pixels [first, end) of one image and group, for rows [begin, begin + rows) of the
// columns; `sums` [group_out, column_row_distance(rows)] are theirs alone.
template <class T>
void add_weight_gradient(const Conv2dSizes& s, const T* dy, const T* x, int64_t begin, int64_t rows, int64_t first,
                         int64_t end, T* sums) {
  const int64_t out = s.group_out(), pixels = s.pixels(), width = simd::padded<T>(rows);
  const Pieces bands(end - first, 1, kConvBand, simd::kLanes<T>);
  const int64_t distance = column_row_distance<T>(bands.length);
  Scratch scratch = Scratch::of_this_thread(Scratch::bytes_for<T>(rows * distance) +
                                            Scratch::bytes_for<T>(simd::padded<T>(bands.length) * width));
  T* columns = scratch.take<T>(rows * distance);
  T* turned = scratch.take<T>(simd::padded<T>(bands.length) * width);
  for (int64_t band = 0; band < bands.count; ++band) {
    const int64_t at = first + bands.begin(band), count = std::min(bands.length, end - at);
    unfold(x, s.windows, begin, begin + rows, at, count, columns, distance);
    simd::pack_transposed(columns, distance, rows, count, T{1}, turned);
    for (int64_t j = 0; j < width; j += kConvTile<T>)
      simd::product({dy + at, pixels, 1}, turned + j, width, sums + j, width, out, std::min(kConvTile<T>, width - j),
                    count, true);
  }
}

// With stride 1, dx is itself a convolution of dy, by the kernel turned around, padded by what is left of its reach:
// nothing has to be added back. It is worth turning the weights where there are many pixels for each of them.
bool is_turned_convolution(const Conv2dSizes& s) {
  constexpr int64_t kWorthTurning = 4096;
  const Windows2d& w = s.windows;
  return w.stride == Size2d(1) && w.padding.height <= w.dilation.height * (w.kernel.height - 1) &&
         w.padding.width <= w.dilation.width * (w.kernel.width - 1) && s.images * s.pixels() >= kWorthTurning;
}

Conv2dSizes turned(const Conv2dSizes& s) {
  const Windows2d& w = s.windows;
  const Size2d padding(w.dilation.height * (w.kernel.height - 1) - w.padding.height,
                       w.dilation.width * (w.kernel.width - 1) - w.padding.width);
  return {s.images, s.out, s.channels, s.groups, {w.output, w.kernel, 1, padding, w.dilation, w.input}};
}

// weight [out, group_channels, kernel] → [channels, group_out, kernel], each kernel turned around.
template <class T>
Tensor turned_weight(const Conv2dSizes& s, const T* weight) {
  Tensor result = Tensor::empty({s.channels, s.group_out(), s.windows.kernel.area()}, dtype_of<T>::value);
  T* to = result.mutable_data<T>();
  const int64_t kernel = s.windows.kernel.area(), out = s.group_out(), depth = s.depth();
  parallel_for(s.channels, grain_for(out * kernel), [=, &s](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const T* own = weight + c / s.group_channels() * out * depth + c % s.group_channels() * kernel;
      for (int64_t o = 0; o < out; ++o)
        std::reverse_copy(own + o * depth, own + o * depth + kernel, to + (c * out + o) * kernel);
    }
  });
  return result;
}

}  // namespace

template <class T>
void conv2d_forward(const Conv2dSizes& s, const T* x, const T* weight, const T* bias, T* y) {
  if (s.images * s.out == 0) return;
  if (s.depthwise()) return detail::depthwise_forward(s, x, weight, bias, y);
  const int64_t plane = s.windows.input.area();
  const Pieces bands(s.pixels(), pieces_wanted(s, s.images * s.groups), kConvBand, simd::kLanes<T>);
  parallel_chunks(s.images * s.groups * bands.count, [&](int64_t chunk) {
    const int64_t band = chunk % bands.count, group = chunk / bands.count % s.groups;
    const int64_t image = chunk / bands.count / s.groups;
    const T* own = weight + group * s.group_out() * s.depth();
    forward_band(s, x + (image * s.channels + group * s.group_channels()) * plane, own,
                 bias ? bias + group * s.group_out() : nullptr,
                 y + (image * s.out + group * s.group_out()) * s.pixels(), bands.begin(band),
                 bands.end(band) - bands.begin(band));
  });
}

template <class T>
void conv2d_data_backward(const Conv2dSizes& s, const T* dy, const T* weight, T* dx) {
  if (s.out == 0) {
    std::fill_n(dx, s.images * s.channels * s.windows.input.area(), T{0});
    return;
  }
  if (s.images * s.channels == 0) return;
  if (s.depthwise()) return detail::depthwise_data_backward(s, dy, weight, dx);
  if (is_turned_convolution(s)) {
    const Tensor by = turned_weight(s, weight);
    conv2d_forward<T>(turned(s), dy, by.data<T>(), nullptr, dx);
    return;
  }
  // Columns of a run of channels take about as much as those of the forward pass.
  const int64_t most = std::max<int64_t>(1, 4 * kConvDepth / s.windows.kernel.area());
  const Pieces runs(s.group_channels(), pieces_wanted(s, s.images * s.groups), most, 1);
  parallel_chunks(s.images * s.groups * runs.count, [&](int64_t chunk) {
    const int64_t run = chunk % runs.count, group = chunk / runs.count % s.groups;
    const int64_t image = chunk / runs.count / s.groups;
    data_backward_channels(s, dy + (image * s.out + group * s.group_out()) * s.pixels(),
                           weight + group * s.group_out() * s.depth(),
                           dx + (image * s.channels + group * s.group_channels()) * s.windows.input.area(),
                           runs.begin(run), runs.end(run));
  });
}

template <class T>
void conv2d_weight_backward(const Conv2dSizes& s, const T* dy, const T* x, T* dw, bool accumulate) {
  if (s.out * s.depth() == 0) return;
  if (s.depthwise()) return detail::depthwise_weight_backward(s, dy, x, dw, accumulate);
  // Rows of the columns are cut first, which costs nothing but reading dy again; where there are few, pixels are, too,
  // and each piece of them has sums of its own, added in order.
  const int64_t plane = s.windows.input.area(), out = s.group_out(), depth = s.depth();
  const Pieces runs(depth, pieces_wanted(s, s.groups), 4 * kConvDepth, kConvTile<T>);
  const int64_t wanted = pieces_wanted(s, s.groups * runs.count);
  const Pieces images(s.images, wanted, std::max<int64_t>(s.images, 1), 1);
  const Pieces spans(s.pixels(), divided_up(wanted, std::max<int64_t>(images.count, 1)), s.pixels(), simd::kLanes<T>);
  const int64_t pieces = images.count * spans.count, width = simd::padded<T>(runs.length);
  Tensor partial = Tensor::empty({std::max<int64_t>(pieces, 1), s.groups * runs.count, out, width}, dtype_of<T>::value);
  T* sums = partial.template mutable_data<T>();
  const int64_t one = out * width;
  parallel_chunks(pieces * s.groups * runs.count, [&](int64_t chunk) {
    const int64_t run = chunk % runs.count, group = chunk / runs.count % s.groups;
    const int64_t piece = chunk / runs.count / s.groups, span = piece % spans.count;
    T* own = sums + chunk * one;
    const int64_t rows = runs.end(run) - runs.begin(run);
    std::fill_n(own, one, T{0});
    for (int64_t n = images.begin(piece / spans.count); n < images.end(piece / spans.count); ++n)
      add_weight_gradient(s, dy + (n * s.out + group * out) * s.pixels(),
                          x + (n * s.channels + group * s.group_channels()) * plane, runs.begin(run), rows,
                          spans.begin(span), spans.end(span), own);
  });
  parallel_for(s.out, grain_for(depth * (pieces + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)
      for (int64_t run = 0; run < runs.count; ++run) {
        const int64_t rows = runs.end(run) - runs.begin(run);
        T* to = dw + o * depth + runs.begin(run);
        if (!accumulate) std::fill_n(to, rows, T{0});
        for (int64_t piece = 0; piece < pieces; ++piece) {
          const int64_t chunk = (piece * s.groups + o / out) * runs.count + run;
          const T* from = sums + chunk * one + o % out * simd::padded<T>(rows);
          for (int64_t i = 0; i < rows; ++i) to[i] += from[i];
        }
      }
  });
}

template void conv2d_forward(const Conv2dSizes&, const float*, const float*, const float*, float*);
template void conv2d_forward(const Conv2dSizes&, const double*, const double*, const double*, double*);
template void conv2d_data_backward(const Conv2dSizes&, const float*, const float*, float*);
template void conv2d_data_backward(const Conv2dSizes&, const double*, const double*, double*);
template void conv2d_weight_backward(const Conv2dSizes&, const float*, const float*, float*, bool);
template void conv2d_weight_backward(const Conv2dSizes&, const double*, const double*, double*, bool);

}  // namespace tessera::ops
