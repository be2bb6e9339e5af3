#include "tensor/ops/attention/attention_bf16.h"

#include <cmath>
#include <limits>

#include "tensor/ops/attention/attention_strips.h"

namespace tessera::ops::attention_detail {
namespace {

// The softmax of a tile's queries, in lanes: the maxima of the scores and the sums of exponentials so far, and what
// sums over the keys before the last block have to be multiplied by.
struct TileSoftmax {
  alignas(64) float maximum[kTile], sum[kTile], factor[kTile];

  TileSoftmax() {
    std::fill_n(maximum, kTile, -std::numeric_limits<float>::infinity());
    std::fill_n(sum, kTile, 0.0f);
  }
};

// products [n, kTile] of keys and queries → p = 2^(factor · products - maximum), rounded, in pairs of rows.
template <bool masked>
void softmax_columns(const float* products, bf16* p, int64_t n, int64_t columns, float factor, const float* visible,
                     TileSoftmax& softmax) {
  const Lanes none = simd::splat(-std::numeric_limits<float>::infinity()), zero{};
  for (int64_t c = 0; c < columns; c += kLanes) {
    const Lanes seen = masked ? simd::load(visible + c) : zero;
    Lanes largest[4] = {none, none, none, none};
    const auto compare = [&](int64_t j, Lanes& most) {
      const Lanes score = simd::load(products + j * kTile + c);
      most = simd::larger<float>(most, masked ? (seen > static_cast<float>(j) ? score : none) : score);
    };
    int64_t j = 0;
    for (; j + 4 <= n; j += 4)
      for (int64_t r = 0; r < 4; ++r) compare(j + r, largest[r]);
    for (; j < n; ++j) compare(j, largest[0]);
    for (int64_t r = 1; r < 4; ++r) largest[0] = simd::larger<float>(largest[0], largest[r]);

    const Lanes before = simd::load(softmax.maximum + c), sum = simd::load(softmax.sum + c);
    const Lanes maximum = simd::larger<float>(largest[0] * factor, before);
    const Lanes rescale = sum == zero ? zero + 1.0f : exp2(before - maximum);
    Lanes total = sum * rescale;
    const auto exponential = [&](int64_t row) {
      Lanes e = exp2(simd::load(products + row * kTile + c) * factor - maximum);
      if (masked) e = seen > static_cast<float>(row) ? e : zero;
      total += e;
      return e;
    };
    for (j = 0; j < n; j += 2) {
      const Lanes even = exponential(j), odd = j + 1 < n ? exponential(j + 1) : zero;
      store_factor_pairs(p + j * kTile + 2 * c, even, odd);
    }
    simd::store(softmax.maximum + c, maximum);
    simd::store(softmax.sum + c, total);
    simd::store(softmax.factor + c, rescale);
  }
}

}  // namespace

bool multiplies_bf16_pairs() { return products::kernels().left_layout != products::LeftLayout::wide; }

void forward_unit_bf16(const Sizes& sizes, const Unit& unit, Rows<const bf16> q, Rows<const bf16> k, Rows<const bf16> v,
                       Rows<bf16> out, float* log_sum_exp) {
  const int64_t s = unit.sequence, d = sizes.head_size, width = round_up(d, kStrip), column = unit.head * d;
  const int64_t first_query = sizes.cu_queries[s] + unit.query, first_key = sizes.cu_keys[s];
  const int64_t needed_keys = sizes.visible(s, unit.query + unit.queries - 1);
  const int64_t block = round_up(std::min(needed_keys, kKeyBlock), kTile);
  const StripKernels kernels;

  Scratch scratch = Scratch::of_this_thread(
      Strips::bytes(unit.queries, d) + Strips::bytes(needed_keys, d) + Strips::bytes(d, needed_keys) +
      Strips::bytes(kTile, block) + Scratch::bytes_for<bf16>(needed_keys * round_up(d, 2)) +
      Scratch::bytes_for<float>(block * kTile) + Scratch::bytes_for<bf16>(block * kTile) +
      Scratch::bytes_for<float>(kTile * width));
  const Strips q_strips(scratch, unit.queries, d), k_strips(scratch, needed_keys, d), v_strips(scratch, d, needed_keys);
  const Strips p_strips(scratch, kTile, block);
  bf16* k_rows = scratch.take<bf16>(needed_keys * round_up(d, 2));
  float* products = scratch.take<float>(block * kTile);
  bf16* p = scratch.take<bf16>(block * kTile);
  float* sums = scratch.take<float>(kTile * width);
  kernels.pack_right(q_strips, q.from(first_query, column), false, unit.queries, d);
  kernels.pack_right(v_strips, v.from(first_key, column), true, d, needed_keys);
  const Left keys =
      kernels.left(k_strips, copy_rows(k.from(first_key, column), needed_keys, d, k_rows), needed_keys, d);
  if (needed_keys == 0) clear(sums, kTile * width);

  for (int64_t i = 0; i < unit.queries; i += kTile) {
    const int64_t rows = std::min(kTile, unit.queries - i), columns = round_up(rows, kStrip);
    TileSoftmax softmax;
    for (int64_t begin = 0; begin < needed_keys; begin += kKeyBlock) {
      const int64_t n = std::min(kKeyBlock, needed_keys - begin);
      kernels.multiply(keys.part(begin, n), Right::of(q_strips, i, columns), d, products, kTile, false);
      alignas(64) float visible[kTile];
      if (sizes.causal) {
        visible_lanes(sizes, s, unit.query + i, rows, begin, visible);
        softmax_columns<true>(products, p, n, columns, score_factor(sizes), visible, softmax);
      } else {
        softmax_columns<false>(products, p, n, columns, score_factor(sizes), visible, softmax);
      }
      clear(p + round_up(n, 2) * kTile, (round_up(n, kTile) - round_up(n, 2)) * kTile);
      const Left probabilities = kernels.left_of_pairs(p_strips, p, columns, n);
      for (int64_t r = 0; begin > 0 && r < rows; ++r)
        for (int64_t c = 0; c < width; ++c) sums[r * width + c] *= softmax.factor[r];
      kernels.multiply(probabilities.part(0, rows), Right::of(v_strips, 0, d, begin), n, sums, width, begin > 0);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const float sum = softmax.sum[r];
      store_scaled(sums + r * width, sum != 0 ? 1 / sum : 0.0f, d, out.at(first_query + i + r, column));
      log_sum_exp[(first_query + i + r) * sizes.heads + unit.head] =
          (softmax.maximum[r] + std::log2(sum)) * static_cast<float>(1 / kLog2E);
    }
  }
}

}  // namespace tessera::ops::attention_detail
