// Patches of 8-bit levels to normalised values on the GPU: a thread for each 128 bits of the result.
#include "tensor/cuda/strided.h"
#include "tensor/ops/normalise_patches_kernels.h"

namespace tessera::cuda {
namespace {

struct ChannelScales {
  float mean[3], std[3];
};

// levels, out [planes, units_per_plane · n], a plane being a channel of a patch. Divisions round correctly and nothing
// can be fused: the CPU's bits.
template <int n, class T>
__global__ void __launch_bounds__(kStridedThreads)
    normalise_patches_kernel(const uint8_t* levels, T* out, unsigned units, Divisor units_per_plane,
                             ChannelScales scales) {
  const unsigned unit = strided_unit();
  if (unit >= units) return;
  const unsigned channel = units_per_plane.quotient(unit) % 3;
  const float mean = scales.mean[channel], std = scales.std[channel];
  const int64_t first = static_cast<int64_t>(unit) * n;
  const Elements<uint8_t, n> from = load_elements<n>(levels + first, 1);
  Elements<T, n> to;
  for (int i = 0; i < n; ++i)
    to.value[i] = simt::from_float<T>((static_cast<float>(from.value[i]) / 255.0f - mean) / std);
  store_elements<n>(out + first, to);
}

// In launches that count at most 2^30 elements.
template <int n, class T>
void normalise(const uint8_t* levels, T* out, int64_t rows, int64_t area, const ChannelScales& scales) {
  const int64_t step = std::max<int64_t>(1, (int64_t{1} << 30) / (3 * area));
  for (int64_t row = 0; row < rows; row += step) {
    const auto units = static_cast<unsigned>(std::min(step, rows - row) * 3 * area / n);
    simt::launch<normalise_patches_kernel<n, T>>(blocks_for(units, kStridedThreads), kStridedThreads, 0,
                                                 levels + row * 3 * area, out + row * 3 * area, units,
                                                 Divisor(static_cast<unsigned>(area / n)), scales);
  }
}

}  // namespace

template <class T>
void normalise_patches(const uint8_t* levels, T* out, int64_t rows, int64_t area, const std::array<float, 3>& mean,
                       const std::array<float, 3>& std) {
  if (area == 0) return;
  const ChannelScales scales{{mean[0], mean[1], mean[2]}, {std[0], std[1], std[2]}};
  if (packs_fit<T>(area, out) && reinterpret_cast<uintptr_t>(levels) % kPack<T> == 0)
    normalise<kPack<T>>(levels, out, rows, area, scales);
  else
    normalise<1>(levels, out, rows, area, scales);
}

template void normalise_patches(const uint8_t*, float*, int64_t, int64_t, const std::array<float, 3>&,
                                const std::array<float, 3>&);
template void normalise_patches(const uint8_t*, bf16*, int64_t, int64_t, const std::array<float, 3>&,
                                const std::array<float, 3>&);

}  // namespace tessera::cuda
