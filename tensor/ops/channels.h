// Tensors [n, channels, ...] as n · channels planes, and sums over all elements of a channel.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "tensor/parallel.h"
#include "tensor/simd/reductions.h"
#include "tensor/tensor.h"

namespace tessera::ops {

struct ChannelSizes {
  int64_t images, channels, plane;  // plane: elements of one

  int64_t count() const { return images * plane; }  // of a channel
};

inline ChannelSizes channel_sizes(const char* op, const Tensor& x) {
  check(x.defined() && x.dim() >= 2, op, ": x is ", x.defined() ? x.shape() : Shape{}, ", expected [n, channels, ...]");
  int64_t plane = 1;
  for (int d = 2; d < x.dim(); ++d) plane *= x.size(d);
  return {x.size(0), x.size(1), plane};
}

// Calls body(channel) for each, on several threads.
template <class Body>
void for_channels(const ChannelSizes& s, Body&& body) {
  parallel_for(s.channels, grain_for(s.count()), [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; ++channel) body(channel);
  });
}

// N sums over the elements of a channel: terms(load, i, sums) as of simd::sums_over, i counting from the tensor's first
// element. A channel may have millions of elements, which f32 sums would lose; so runs are summed in the arithmetic of
// T, and the sums of runs in f64, in order.
template <class T, size_t N, class Terms>
std::array<double, N> sums_over_channel(const ChannelSizes& s, int64_t channel, Terms&& terms) {
  using A = Arithmetic<T>;
  constexpr int64_t kRun = 2048;
  std::array<double, N> total{};
  for (int64_t n = 0; n < s.images; ++n) {
    const int64_t begin = (n * s.channels + channel) * s.plane, end = begin + s.plane;
    for (int64_t first = begin; first < end; first += kRun) {
      const std::array<A, N> part = simd::sums_over<A, N>(
          std::min(kRun, end - first), [&](auto load, int64_t i, auto& sums) { terms(load, first + i, sums); });
      for (size_t k = 0; k < N; ++k) total[k] += static_cast<double>(part[k]);
    }
  }
  return total;
}

}  // namespace tessera::ops
