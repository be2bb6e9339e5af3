#include "tensor/ops/attention/attention_bf16.h"
#include "tensor/ops/attention/attention_strips.h"

namespace tessera::ops::attention_detail {
namespace {

// So many queries' P and dS wait for the products that sum over queries; a multiple of kTile.
constexpr int64_t kQueryGroup = 128;

// What a tile's queries need beside the products, in lanes; log_sum_exp in units of log 2.
struct TileRows {
  alignas(64) float log_sum_exp[kTile] = {}, d_sums[kTile] = {}, visible[kTile] = {};
};

// Where P and dS go, rounded: rows [n, kQueryGroup], and dS once more in pairs of rows [n / 2][kTile][2].
struct Factors {
  bf16 *p, *ds, *ds_pairs;
};

// products [n, kTile] of keys and queries → P, and dp → dS = P (dP - D). With `whole_rows` all keys are here, and D is
// summed; else it is d_sums.
template <bool masked, bool whole_rows>
void gradient_columns(float* products, const float* dp, const Factors& to, int64_t n, int64_t columns, float factor,
                      const TileRows& rows) {
  const Lanes zero{};
  for (int64_t c = 0; c < columns; c += kLanes) {
    const Lanes seen = simd::load(rows.visible + c), shift = simd::load(rows.log_sum_exp + c);
    const auto probability = [&](int64_t j) {
      const Lanes e = exp2(simd::load(products + j * kTile + c) * factor - shift);
      return masked ? (seen > static_cast<float>(j) ? e : zero) : e;
    };
    Lanes d_sum = simd::load(rows.d_sums + c);
    if constexpr (whole_rows) {
      Lanes total{}, weighted{};
      for (int64_t j = 0; j < n; ++j) {
        const Lanes e = probability(j);
        simd::store(products + j * kTile + c, e);
        total += e;
        weighted += e * simd::load(dp + j * kTile + c);
      }
      d_sum = total == zero ? zero : weighted / total;
    }
    const auto gradient = [&](int64_t j) {
      const Lanes e = whole_rows ? simd::load(products + j * kTile + c) : probability(j);
      const Lanes ds = e * (simd::load(dp + j * kTile + c) - d_sum);
      store_factor(to.p + j * kQueryGroup + c, e);
      store_factor(to.ds + j * kQueryGroup + c, ds);
      return ds;
    };
    for (int64_t j = 0; j < n; j += 2) {
      const Lanes even = gradient(j), odd = j + 1 < n ? gradient(j + 1) : zero;
      store_factor_pairs(to.ds_pairs + j * kTile + 2 * c, even, odd);
    }
  }
}

void gradient_columns(bool masked, bool whole_rows, float* products, const float* dp, const Factors& to, int64_t n,
                      int64_t columns, float factor, const TileRows& rows) {
  const auto call = [&](auto form) { form(products, dp, to, n, columns, factor, rows); };
  if (masked)
    call(whole_rows ? gradient_columns<true, true> : gradient_columns<true, false>);
  else
    call(whole_rows ? gradient_columns<false, true> : gradient_columns<false, false>);
}

// All queries of one head of one sequence.
class Backward {
 public:
  Backward(const Sizes& sizes, int64_t sequence, int64_t head, const BackwardRows<bf16>& x)
      : Backward(sizes, sequence, head, x, Scratch::of_this_thread(bytes(sizes, sequence))) {}

  void run() {
    const Rows<const bf16> q = x_.q.from(first_query_, column_), dout = x_.dout.from(first_query_, column_);
    kernels_.pack_right(q_, q, false, queries_, d_);
    kernels_.pack_right(dout_, dout, false, queries_, d_);
    kernels_.pack_right(q_across_, q, true, d_, queries_);
    kernels_.pack_right(dout_across_, dout, true, d_, queries_);
    if (sizes_.causal || keys_ == 0) clear(dq_, round_up(queries_, kTile) * width_);
    for (int64_t begin = 0; begin < keys_; begin += kKeyBlock) key_block(begin, std::min(kKeyBlock, keys_ - begin));
    store(dq_, queries_, scale_, x_.dq, first_query_);
  }

 private:
  static int64_t block_of(const Sizes& sizes, int64_t s) { return round_up(std::min(sizes.keys(s), kKeyBlock), kTile); }
  static int64_t bytes(const Sizes& sizes, int64_t s) {
    const int64_t d = sizes.head_size, width = round_up(d, kStrip), queries = sizes.queries(s);
    const int64_t block = block_of(sizes, s);
    return 2 * Strips::bytes(queries, d) + 2 * Strips::bytes(d, queries) + 2 * Strips::bytes(block, d) +
           Strips::bytes(d, block) + 2 * Strips::bytes(block, kQueryGroup) + Strips::bytes(kTile, block) +
           2 * Scratch::bytes_for<bf16>(block * round_up(d, 2)) + 2 * Scratch::bytes_for<bf16>(block * kQueryGroup) +
           Scratch::bytes_for<bf16>(block * kTile) + 2 * Scratch::bytes_for<float>(block * kTile) +
           2 * Scratch::bytes_for<float>(block * width) + Scratch::bytes_for<float>(round_up(queries, kTile) * width);
  }
  Backward(const Sizes& sizes, int64_t s, int64_t head, const BackwardRows<bf16>& x, Scratch scratch)
      : sizes_(sizes),
        x_(x),
        s_(s),
        head_(head),
        d_(sizes.head_size),
        width_(round_up(d_, kStrip)),
        column_(head * d_),
        first_query_(sizes.cu_queries[s]),
        queries_(sizes.queries(s)),
        first_key_(sizes.cu_keys[s]),
        keys_(sizes.keys(s)),
        block_(block_of(sizes, s)),
        scale_(static_cast<float>(sizes.scale())),
        q_(scratch, queries_, d_),
        dout_(scratch, queries_, d_),
        q_across_(scratch, d_, queries_),
        dout_across_(scratch, d_, queries_),
        k_(scratch, block_, d_),
        v_(scratch, block_, d_),
        k_across_(scratch, d_, block_),
        p_(scratch, block_, kQueryGroup),
        ds_(scratch, block_, kQueryGroup),
        ds_across_(scratch, kTile, block_),
        k_rows_(scratch.take<bf16>(block_ * round_up(d_, 2))),
        v_rows_(scratch.take<bf16>(block_ * round_up(d_, 2))),
        p_rows_(scratch.take<bf16>(block_ * kQueryGroup)),
        ds_rows_(scratch.take<bf16>(block_ * kQueryGroup)),
        ds_pairs_(scratch.take<bf16>(block_ * kTile)),
        products_(scratch.take<float>(block_ * kTile)),
        dp_(scratch.take<float>(block_ * kTile)),
        dk_(scratch.take<float>(block_ * width_)),
        dv_(scratch.take<float>(block_ * width_)),
        dq_(scratch.take<float>(round_up(queries_, kTile) * width_)) {}

  void key_block(int64_t begin, int64_t n) {
    const int64_t first = first_key_ + begin;
    const Rows<const bf16> k_rows = copy_rows(x_.k.from(first, column_), n, d_, k_rows_);
    const Rows<const bf16> v_rows = copy_rows(x_.v.from(first, column_), n, d_, v_rows_);
    const Left k = kernels_.left(k_, k_rows, n, d_), v = kernels_.left(v_, v_rows, n, d_);
    kernels_.pack_right(k_across_, k_rows, true, d_, n);
    clear(ds_pairs_ + round_up(n, 2) * kTile, (round_up(n, kTile) - round_up(n, 2)) * kTile);
    bool add = false;
    for (int64_t i = 0; i < queries_; i += kQueryGroup) {
      const int64_t count = std::min(kQueryGroup, queries_ - i);
      if (sizes_.visible(s_, i + count - 1) <= begin) continue;
      for (int64_t j = 0; j < count; j += kTile) tile(k, v, begin, i + j, std::min(kTile, count - j), j);
      const int64_t depth = round_up(count, kStrip);
      kernels_.multiply(kernels_.left(p_, {p_rows_, kQueryGroup}, n, depth), Right::of(dout_across_, 0, d_, i), depth,
                        dv_, width_, add);
      kernels_.multiply(kernels_.left(ds_, {ds_rows_, kQueryGroup}, n, depth), Right::of(q_across_, 0, d_, i), depth,
                        dk_, width_, add);
      add = true;
    }
    if (!add)
      for (float* sums : {dk_, dv_}) clear(sums, n * width_);
    store(dk_, n, scale_, x_.dk, first);
    store(dv_, n, 1.0f, x_.dv, first);
  }

  // Queries i .. i + rows with a block of keys: dq, and P and dS, from column `at` of their rows on.
  void tile(const Left& k, const Left& v, int64_t begin, int64_t i, int64_t rows, int64_t at) {
    const int64_t n = k.rows, columns = round_up(rows, kStrip);
    kernels_.multiply(k, Right::of(q_, i, columns), d_, products_, kTile, false);
    kernels_.multiply(v, Right::of(dout_, i, columns), d_, dp_, kTile, false);
    gradient_columns(sizes_.causal, keys_ <= kKeyBlock, products_, dp_, {p_rows_ + at, ds_rows_ + at, ds_pairs_}, n,
                     columns, score_factor(sizes_), tile_rows(begin, i, rows));
    const Left ds = kernels_.left_of_pairs(ds_across_, ds_pairs_, columns, n);
    kernels_.multiply(ds.part(0, rows), Right::of(k_across_, 0, d_), n, dq_ + i * width_, width_,
                      sizes_.causal || begin > 0);
  }

  TileRows tile_rows(int64_t begin, int64_t i, int64_t rows) const {
    TileRows tile;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = first_query_ + i + r;
      tile.log_sum_exp[r] = x_.log_sum_exp[row * sizes_.heads + head_] * static_cast<float>(kLog2E);
      if (keys_ > kKeyBlock) tile.d_sums[r] = simd::dot(x_.dout.at(row, column_), x_.out.at(row, column_), d_);
    }
    if (sizes_.causal) visible_lanes(sizes_, s_, i, rows, begin, tile.visible);
    return tile;
  }

  void store(const float* sums, int64_t rows, float factor, Rows<bf16> to, int64_t first) const {
    for (int64_t r = 0; r < rows; ++r) store_scaled(sums + r * width_, factor, d_, to.at(first + r, column_));
  }

  const Sizes& sizes_;
  const BackwardRows<bf16>& x_;
  const int64_t s_, head_, d_, width_, column_, first_query_, queries_, first_key_, keys_, block_;
  const float scale_;
  const StripKernels kernels_;
  // Room for packed operands, by what vectors they hold: rows, or, across, columns.
  const Strips q_, dout_, q_across_, dout_across_, k_, v_, k_across_, p_, ds_, ds_across_;
  bf16 *const k_rows_, *const v_rows_;       // [block, d]
  bf16 *const p_rows_, *const ds_rows_;      // [block, kQueryGroup]
  bf16* const ds_pairs_;                     // [block / 2][kTile][2]
  float *const products_, *const dp_;        // [block, kTile]
  float *const dk_, *const dv_, *const dq_;  // sums, [block or queries, width]
};

}  // namespace

void backward_unit_bf16(const Sizes& sizes, int64_t sequence, int64_t head, const BackwardRows<bf16>& x) {
  Backward(sizes, sequence, head, x).run();
}

}  // namespace tessera::ops::attention_detail
