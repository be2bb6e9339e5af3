#include "tensor/gemm/packed/pack.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tessera::products {
namespace {

constexpr int64_t kBlockElements = kStrip * kDepthUnit;  // elements of a block: 16 vectors, 32 positions

// A block of the source as it lies in memory, in bf16: 16 rows of 32, or, across, 32 rows of 16.
struct Block {
  const uint16_t* data;
  int64_t stride;
};

// A row of a block: most are whole, and their sizes constants.
template <class T>
void copy_row(T* to, const T* from, int64_t columns) {
  if (columns == kDepthUnit)
    std::memcpy(to, from, kDepthUnit * sizeof(T));
  else if (columns == kStrip)
    std::memcpy(to, from, kStrip * sizeof(T));
  else
    std::memcpy(to, from, static_cast<size_t>(columns) * sizeof(T));
}

// Copies the block that begins at `vector` and `position` to `high` (and `low`), converts it, and fills it with zeros.
void stage(const Kernels& kernels, const Source& source, int64_t vector, int64_t position, int64_t end, uint16_t* high,
           uint16_t* low) {
  const int64_t vectors = std::min(kStrip, source.vectors - vector), positions = std::min(kDepthUnit, end - position);
  const int64_t rows = source.across ? positions : vectors, columns = source.across ? vectors : positions;
  const int64_t width = source.across ? kStrip : kDepthUnit;
  const int64_t first = source.across ? position * source.stride + vector : vector * source.stride + position;
  const bool whole = rows * columns == kBlockElements;
  if (!source.is_f32) {
    if (!whole) std::fill(high, high + kBlockElements, uint16_t{0});
    for (int64_t i = 0; i < rows; ++i)
      copy_row(high + i * width, static_cast<const uint16_t*>(source.data) + first + i * source.stride, columns);
    return;
  }
  alignas(64) float values[kBlockElements];
  if (!whole) std::fill(values, values + kBlockElements, 0.0f);
  for (int64_t i = 0; i < rows; ++i)
    copy_row(values + i * width, static_cast<const float*>(source.data) + first + i * source.stride, columns);
  if (low)
    kernels.split(values, kBlockElements / 16, high, low);
  else
    kernels.round(values, kBlockElements / 16, high);
}

// [16 pairs][16][2] bf16 → [32][16] f32.
void widen(const uint16_t* pairs, float* to) {
  for (int64_t pair = 0; pair < kDepthUnit / 2; ++pair)
    for (int64_t j = 0; j < kStrip; ++j) {
      to[2 * pair * kStrip + j] = std::bit_cast<float>(static_cast<uint32_t>(pairs[pair * 32 + 2 * j]) << 16);
      to[(2 * pair + 1) * kStrip + j] = std::bit_cast<float>(static_cast<uint32_t>(pairs[pair * 32 + 2 * j + 1]) << 16);
    }
}

// A block of bf16 in any order of the source → block `index` of the strip at `to`.
void arrange(const Kernels& kernels, LeftLayout layout, bool across, const Block& block, int64_t index, void* to) {
  alignas(64) uint16_t pairs[kBlockElements];
  uint16_t* place = static_cast<uint16_t*>(to) + index * kBlockElements;
  if (layout == LeftLayout::rows && !across) {
    for (int64_t i = 0; i < kStrip; ++i) std::memcpy(place + i * kDepthUnit, block.data + i * block.stride, 64);
    return;
  }
  uint16_t* paired = layout == LeftLayout::pairs ? place : pairs;
  if (across)
    kernels.interleave(block.data, block.stride, paired);
  else
    kernels.transpose_words(block.data, block.stride, paired);
  if (layout == LeftLayout::rows) kernels.transpose_words(paired, 2 * kStrip, place);
  if (layout == LeftLayout::wide) widen(paired, static_cast<float*>(to) + index * kBlockElements);
}

// Packs positions [begin, end) of one strip.
void pack_strip(const Kernels& kernels, LeftLayout layout, const Source& source, int64_t strip, int64_t begin,
                int64_t end, void* to_high, void* to_low) {
  alignas(64) uint16_t high[kBlockElements], low[kBlockElements];
  const int64_t vector = strip * kStrip;
  const bool full_strip = vector + kStrip <= source.vectors;
  const int64_t width = source.across ? kStrip : kDepthUnit;
  for (int64_t position = begin; position < end; position += kDepthUnit) {
    const int64_t index = (position - begin) / kDepthUnit;
    if (!source.is_f32 && full_strip && position + kDepthUnit <= end) {
      const int64_t first = source.across ? position * source.stride + vector : vector * source.stride + position;
      arrange(kernels, layout, source.across, {static_cast<const uint16_t*>(source.data) + first, source.stride}, index,
              to_high);
      continue;
    }
    stage(kernels, source, vector, position, end, high, to_low ? low : nullptr);
    arrange(kernels, layout, source.across, {high, width}, index, to_high);
    if (to_low) arrange(kernels, layout, source.across, {low, width}, index, to_low);
  }
}

}  // namespace

// In the order in which the source lies: strip by strip, or, across, block by block of positions, so that the parts of
// a row that belong to neighbouring strips are read together.
void pack_strips(const Kernels& kernels, LeftLayout layout, const Source& source, const StripRange& strips,
                 int64_t begin, int64_t end, PackedPlace to) {
  const int64_t element = layout == LeftLayout::wide ? 4 : 2;
  const int64_t step = source.across ? kDepthUnit : std::max<int64_t>(1, end - begin);
  for (int64_t position = begin; position < end; position += step)
    for (int64_t strip = strips.first; strip < strips.last; ++strip) {
      const int64_t at = (strip - strips.first) * to.stride + (position - begin) * kStrip * element;
      pack_strip(kernels, layout, source, strip, position, std::min(end, position + step),
                 static_cast<char*>(to.high) + at, to.low ? static_cast<char*>(to.low) + at : nullptr);
    }
}

}  // namespace tessera::products
