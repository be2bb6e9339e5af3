// Whether this build of the library has a CUDA backend. Only .cpp files of tensor/ may ask: tensor/ is compiled once
// with it and once without (tensor/meson.build), and whatever lies in a header has to be the same in both.
#pragma once

namespace tessera {

#if TESSERA_CUDA
inline constexpr bool kHasCuda = true;
#else
inline constexpr bool kHasCuda = false;
#endif

}  // namespace tessera
