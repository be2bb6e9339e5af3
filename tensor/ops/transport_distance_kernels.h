// The kernels of tensor/ops/transport_distance.h.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// T is float or double. cost and plan flat, offsets [samples + 1] on the device, distance [samples].
template <class T>
void transport_distance(const T* cost, const T* plan, const int64_t* offsets, T* distance, int64_t samples);
// The largest number of elements of a sample is the host's.
template <class T>
void transport_distance_backward(const T* ddistance, const T* plan, const int64_t* offsets, T* dcost, int64_t samples,
                                 int64_t most_cells);

}  // namespace tessera::cuda
