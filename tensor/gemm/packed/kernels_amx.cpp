// The product of strips with AMX tiles: a tile is 16 rows of 64 bytes, and tdpbf16ps adds the product of a left tile
// [16 rows][32 of k] and a right one [16 pairs of k][16 columns][2] to 16 × 16 sums.
//
// 2 × 2 tiles of sums (0 .. 3) with two left tiles (4, 5) and two right ones (6, 7) use all eight: every tile that is
// loaded takes part in two products, 4 loads for 4 products. With one tile of sums it would be 2 loads for a product,
// and the loads would set the pace.
#include "tensor/gemm/packed/amx_tiles.h"
#include "tensor/gemm/packed/kernels.h"
#if defined(TESSERA_EMULATED_AMX)
#include "tensor/gemm/packed/plain_blocks.h"
#else
#include "tensor/gemm/packed/avx512_blocks.h"
#endif

namespace tessera::products {
namespace {

constexpr int64_t kTile = 512;     // bf16 in a tile
constexpr int64_t kRowBytes = 64;  // of a tile

struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

static_assert(sizeof(TileConfiguration) == 64);

// In constant memory: the compiler's intrinsic declares only the first bytes as read, so those of a local variable
// might never be written.
constexpr TileConfiguration kConfiguration;

void begin() { _tile_loadconfig(&kConfiguration); }

// The tiles are given back after each series: a thread that holds none is cheaper to switch.
void end() { _tile_release(); }

void two_by_two(const uint16_t* left, const uint16_t* left_below, const uint16_t* right, const uint16_t* right_beside,
                int64_t depth, float* sums, int64_t ld, bool add) {
  float* below = sums + 16 * ld;
  const int64_t stride = ld * static_cast<int64_t>(sizeof(float));
  if (add) {
    _tile_loadd(0, sums, stride);
    _tile_loadd(1, sums + 16, stride);
    _tile_loadd(2, below, stride);
    _tile_loadd(3, below + 16, stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t at = 0; at < depth * kStrip; at += kTile) {
    _tile_loadd(4, left + at, kRowBytes);
    _tile_loadd(6, right + at, kRowBytes);
    _tile_loadd(5, left_below + at, kRowBytes);
    _tile_loadd(7, right_beside + at, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, stride);
  _tile_stored(1, sums + 16, stride);
  _tile_stored(2, below, stride);
  _tile_stored(3, below + 16, stride);
}

void one_by_one(const uint16_t* left, const uint16_t* right, int64_t depth, float* sums, int64_t ld, bool add) {
  const int64_t stride = ld * static_cast<int64_t>(sizeof(float));
  if (add)
    _tile_loadd(0, sums, stride);
  else
    _tile_zero(0);
  for (int64_t at = 0; at < depth * kStrip; at += kTile) {
    _tile_loadd(4, left + at, kRowBytes);
    _tile_loadd(6, right + at, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
  }
  _tile_stored(0, sums, stride);
}

void multiply(const KernelCall& call) {
  const auto left = [&](int64_t i) {
    return reinterpret_cast<const uint16_t*>(static_cast<const char*>(call.left) + i * call.left_stride);
  };
  const auto right = [&](int64_t j) { return call.right + j * call.right_stride; };
  if (call.left_strips == 2 && call.right_strips == 2)
    return two_by_two(left(0), left(1), right(0), right(1), call.depth, call.sums, call.ld, call.add);
  for (int64_t i = 0; i < call.left_strips; ++i)
    for (int64_t j = 0; j < call.right_strips; ++j)
      one_by_one(left(i), right(j), call.depth, call.sums + i * 16 * call.ld + j * 16, call.ld, call.add);
}

double peak(int64_t rounds) {
  begin();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(6);
  for (int64_t i = 0; i < rounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 6);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(3, 4, 6);
  }
  end();
  return static_cast<double>(rounds) * 4 * 2 * 16 * 16 * 32;
}

}  // namespace

#if defined(TESSERA_EMULATED_AMX)
extern const Kernels kAmxKernels;
constexpr auto transpose_words = plain_transpose_words;
constexpr auto interleave = plain_interleave;
constexpr auto round = plain_round;
constexpr auto split = plain_split;
#else
constexpr auto transpose_words = avx512_transpose_words;
constexpr auto interleave = avx512_interleave;
constexpr auto round = avx512_round;
constexpr auto split = avx512_split;
#endif

const Kernels kAmxKernels{
    .left_layout = LeftLayout::rows,
    .left_strips = 2,
    .right_strips = 2,
    .depth_unit = kDepthUnit,
    .begin = begin,
    .end = end,
    .multiply = multiply,
    .peak = peak,
    .transpose_words = transpose_words,
    .interleave = interleave,
    .round = round,
    .split = split,
};

}  // namespace tessera::products
