// The tile instructions: the compiler's, or, with TESSERA_EMULATED_AMX, an emulation in plain C++, by which the kernel
// of kernels_amx.cpp is tested on machines that have no tiles. In the emulation the products of a pair are summed in
// f32, as the manual's pseudo-code does; denormals are not flushed.
#pragma once

#include <immintrin.h>

#if defined(TESSERA_EMULATED_AMX)

#include <cstdint>
#include <cstring>

// The compiler's are macros; and the emulated kernels need a name of their own beside the real ones.
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define kAmxKernels kEmulatedAmxKernels

namespace tessera::products {
namespace {

struct Tiles {
  alignas(64) unsigned char bytes[8][16][64];
  bool configured = false;
};
Tiles emulated_tiles;

inline void _tile_loadconfig(const void*) { emulated_tiles.configured = true; }
inline void _tile_release() { emulated_tiles.configured = false; }

// Without a configuration, or after the release, the processor would raise a fault.
inline unsigned char (&emulated_tile(int tile))[16][64] {
  if (!emulated_tiles.configured) __builtin_trap();
  return emulated_tiles.bytes[tile];
}

inline void _tile_zero(int tile) { std::memset(emulated_tile(tile), 0, 1024); }
inline void _tile_loadd(int tile, const void* from, int64_t stride) {
  for (int row = 0; row < 16; ++row)
    std::memcpy(emulated_tile(tile)[row], static_cast<const char*>(from) + row * stride, 64);
}
inline void _tile_stored(int tile, void* to, int64_t stride) {
  for (int row = 0; row < 16; ++row) std::memcpy(static_cast<char*>(to) + row * stride, emulated_tile(tile)[row], 64);
}

inline float emulated_element(int tile, int row, int word, int half) {
  uint16_t upper;
  std::memcpy(&upper, emulated_tile(tile)[row] + word * 4 + half * 2, 2);
  const uint32_t bits = static_cast<uint32_t>(upper) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline void _tile_dpbf16ps(int sums, int left, int right) {
  for (int row = 0; row < 16; ++row)
    for (int pair = 0; pair < 16; ++pair)
      for (int column = 0; column < 16; ++column) {
        float sum;
        std::memcpy(&sum, emulated_tile(sums)[row] + column * 4, 4);
        for (int half = 0; half < 2; ++half)
          sum += emulated_element(left, row, pair, half) * emulated_element(right, pair, column, half);
        std::memcpy(emulated_tile(sums)[row] + column * 4, &sum, 4);
      }
}

}  // namespace
}  // namespace tessera::products

#endif
