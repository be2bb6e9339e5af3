#include "tensor/gemm/packed/band_packer.h"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "tensor/gemm/packed/kernel_choice.h"
#include "tensor/gemm/packed/pack.h"
#include "tensor/ops/scratch.h"

namespace tessera::products {
namespace {

constexpr int64_t kBlock = kStrip * kDepthUnit;

// Whole lines where one instruction writes one. finish_writes: such stores are not ordered with the ones that tell
// other threads of them.
#if defined(__AVX512F__)
void write_past_caches(const uint16_t* block, uint16_t* to) {
  for (int64_t i = 0; i < kBlock; i += 32)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_load_si512(block + i));
}
void finish_writes() { _mm_sfence(); }
#elif defined(__SSE2__)
void write_past_caches(const uint16_t* block, uint16_t* to) {
  const auto* from = reinterpret_cast<const __m128i*>(block);
  for (int64_t i = 0; i < kBlock / 8; ++i)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to) + i, _mm_load_si128(from + i));
}
void finish_writes() { _mm_sfence(); }
#else
void write_past_caches(const uint16_t* block, uint16_t* to) { std::memcpy(to, block, kBlock * sizeof(uint16_t)); }
void finish_writes() {}
#endif

}  // namespace

BandPacker::BandPacker(const std::vector<PackedMatrix*>& copies)
    : rows_(copies.front()->source_rows()), columns_(copies.front()->source_columns()) {
  for (PackedMatrix* copy : copies) {
    const bool is_split = copy->form() == PackedForm::split;
    (is_split ? split_ : rounded_) = true;
    uint16_t* high = copy->mutable_data();
    targets_.push_back(
        {high, is_split ? high + copy->low_offset() : nullptr, copy->transpose(), copy->padded_k() * kStrip});
  }
}

BandPacker::Band BandPacker::begin(int64_t first_row) const {
  const int64_t elements = kRows * columns_, forms = (rounded_ ? 1 : 0) + (split_ ? 2 : 0);
  Scratch scratch = Scratch::of_this_thread(forms * Scratch::bytes_for<uint16_t>(elements));
  Band band{.first_row = first_row,
            .rows = std::min(kRows, rows_ - first_row),
            .rounded = nullptr,
            .high = nullptr,
            .low = nullptr};
  if (rounded_) band.rounded = scratch.take<uint16_t>(elements);
  if (split_) band.high = scratch.take<uint16_t>(elements);
  if (split_) band.low = scratch.take<uint16_t>(elements);
  return band;
}

void BandPacker::convert(const Band& band, const float* values, int64_t at, int64_t count) const {
  const Kernels& used = kernels();
  const int64_t whole = count / 16, rest = count % 16;
  if (rounded_) used.round(values, whole, band.rounded + at);
  if (split_) used.split(values, whole, band.high + at, band.low + at);
  if (rest == 0) return;
  // A band has a multiple of 16 places, even if its last row is the weight's last.
  float last[16] = {};
  std::copy_n(values + 16 * whole, rest, last);
  if (rounded_) used.round(last, 1, band.rounded + at + 16 * whole);
  if (split_) used.split(last, 1, band.high + at + 16 * whole, band.low + at + 16 * whole);
}

void BandPacker::write(const Band& band) const {
  for (const Target& target : targets_) {
    write(band, target.low ? band.high : band.rounded, target, target.high);
    if (target.low) write(band, band.low, target, target.low);
  }
  finish_writes();
}

void BandPacker::write(const Band& band, const uint16_t* from, const Target& target, uint16_t* to) const {
  const Kernels& used = kernels();
  alignas(64) uint16_t block[kBlock];
  const int64_t vectors = target.transpose ? band.rows : columns_, depth = target.transpose ? columns_ : band.rows;
  const Source source{.data = from,
                      .is_f32 = false,
                      .vectors = vectors,
                      .depth = depth,
                      .stride = columns_,
                      .across = !target.transpose};
  to += target.transpose ? band.first_row / kStrip * target.strip_size : band.first_row * kStrip;
  for (int64_t strip = 0; strip < strips_of(vectors); ++strip, to += target.strip_size)
    for (int64_t position = 0; position < depth; position += kDepthUnit) {
      pack_strips(used, LeftLayout::pairs, source, {strip, strip + 1}, position, std::min(depth, position + kDepthUnit),
                  {block, nullptr, 0});
      write_past_caches(block, to + position * kStrip);
    }
}

}  // namespace tessera::products
