#include "tensor/ops/attention/attention.h"

#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/attention/attention_bf16.h"
#include "tensor/ops/attention/attention_device.h"
#include "tensor/ops/attention/attention_tiles.h"
#include "tensor/ops/ragged.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

using namespace attention_detail;

constexpr const char* kAttentionOp = "attention";

Sizes check_sizes(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_queries, const Tensor& cu_keys,
                  const AttentionOptions& options) {
  const int64_t heads = options.heads;
  check(q.defined() && q.dim() == 2, kAttentionOp, ": q is ", describe(q),
        ", expected [query tokens, heads · head size]");
  check(heads >= 1 && q.size(1) % heads == 0 && q.size(1) > 0, kAttentionOp, ": width ", q.size(1),
        " does not divide into ", heads, " heads");
  check(k.defined() && k.dim() == 2 && k.size(1) == q.size(1), kAttentionOp, ": k is ", describe(k),
        ", expected [key tokens, ", q.size(1), "]");
  check(v.defined() && v.shape() == k.shape(), kAttentionOp, ": v is ", describe(v), ", expected k's shape ",
        k.shape());
  check(k.dtype() == q.dtype() && v.dtype() == q.dtype(), kAttentionOp, ": q, k and v are ", q.dtype(), ", ", k.dtype(),
        " and ", v.dtype(), ", expected one dtype");
  check(k.device() == q.device() && v.device() == q.device(), kAttentionOp, ": q, k and v are on ", q.device(), ", ",
        k.device(), " and ", v.device(), ", expected one device");
  const auto queries = check_marks(kAttentionOp, "cu_queries", cu_queries, q.size(0));
  const auto keys = check_marks(kAttentionOp, "cu_keys", cu_keys, k.size(0));
  check(queries.size() == keys.size(), kAttentionOp, ": cu_queries marks ", queries.size() - 1, " sequences, cu_keys ",
        keys.size() - 1);
  return {queries,           keys,           heads,
          q.size(1) / heads, options.causal, DropoutMask(kAttentionOp, options.p, options.ticket)};
}

std::vector<Unit> units_of(const Sizes& sizes, int64_t query_block) {
  std::vector<Unit> units;
  units.reserve(static_cast<size_t>(sizes.sequences() * sizes.heads));
  for (int64_t s = 0; s < sizes.sequences(); ++s)
    for (int64_t h = 0; h < sizes.heads; ++h)
      for (int64_t i = 0; i < sizes.queries(s); i += query_block)
        units.push_back({s, h, i, std::min(query_block, sizes.queries(s) - i)});
  return units;
}

// How many units make a chunk for one thread: heads of a short sequence stay together, since their results lie in the
// same cache lines and a chunk should be worth handing out.
int64_t units_per_chunk(const Sizes& sizes, int64_t units) {
  constexpr int64_t kProducts = 1 << 17;
  int64_t products = 1;
  for (int64_t s = 0; s < sizes.sequences(); ++s)
    products += sizes.queries(s) * sizes.keys(s) * sizes.heads * sizes.head_size;
  return std::clamp<int64_t>(kProducts * units / products, 1, 2 * sizes.heads);
}

// Dropout, in place, of a tile [rows, length] of one head whose rows are the queries from `query` on, of all tokens,
// and whose n columns are a sequence's keys from `key` on.
template <class T>
void drop(const Sizes& sizes, int64_t head, int64_t query, int64_t key, T* tile, int64_t rows, int64_t n,
          int64_t length) {
  if (!sizes.dropout.drops()) return;
  const T scale = static_cast<T>(sizes.dropout.scale());
  const uint32_t last_dropped = sizes.dropout.last_dropped();
  DropoutMask::Buffer buffer;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t first = (((query + r) * sizes.heads + head) << 32) + key;
    const uint32_t* words = sizes.dropout.words(first, n, buffer);
    T* row = tile + r * length;
    for (int64_t j = 0; j < n; ++j) row[j] = words[j] > last_dropped ? row[j] * scale : T{0};
  }
}

// Softmax over all blocks of keys in one pass: with the maximum m and the sum l so far, a block with larger maximum m'
// scales what has been summed by exp(m - m').
template <class T>
struct RunningSoftmax {
  T maximum = -std::numeric_limits<T>::infinity(), sum = 0;

  // Subtracts the new maximum from a row of scores. Returns what `sums` and `sum` have to be multiplied by.
  T shift(T* scores, int64_t visible, int64_t length) {
    const T before = maximum, most = largest(scores, visible);
    maximum = most > before ? most : before;
    subtract(scores, visible, length, maximum);
    return sum == 0 ? T{1} : vmath::exp(before - maximum);
  }
};

// A tile of scores → exponentials, in place; brings sums [rows, width] of the keys before up to the new maxima.
template <class T, class Visible>
void softmax_tile(RunningSoftmax<T>* softmax, T* scores, int64_t rows, int64_t length, T* sums, int64_t width,
                  Visible visible) {
  for (int64_t r = 0; r < rows; ++r) {
    const T factor = softmax[r].shift(scores + r * length, visible(r), length);
    if (softmax[r].sum == 0) continue;
    softmax[r].sum *= factor;
    for (int64_t d = 0; d < width; ++d) sums[r * width + d] *= factor;
  }
  exponentials(scores, rows, length);
  for (int64_t r = 0; r < rows; ++r) softmax[r].sum += clear_and_sum(scores + r * length, visible(r), length);
}

template <class E, class T = Arithmetic<E>>
void forward_unit(const Sizes& sizes, const Unit& unit, Rows<const E> q, Rows<const E> k, Rows<const E> v, Rows<E> out,
                  T* log_sum_exp) {
  const int64_t s = unit.sequence, d = sizes.head_size, width = simd::padded<T>(d), column = unit.head * d;
  const int64_t first_query = sizes.cu_queries[s] + unit.query, first_key = sizes.cu_keys[s];
  const int64_t needed_keys = sizes.visible(s, unit.query + unit.queries - 1);
  const int64_t block = std::min(simd::padded<T>(needed_keys), kForwardKeys);

  Scratch scratch = Scratch::of_this_thread(Scratch::bytes_for<T>(d * block) + Scratch::bytes_for<T>(block * width) +
                                            Scratch::bytes_for<T>(kForwardTile * block) +
                                            2 * Scratch::bytes_for<T>(unit.queries * width));
  T* keys = scratch.take<T>(d * block);
  T* values = scratch.take<T>(block * width);
  T* scores = scratch.take<T>(kForwardTile * block);
  T* sums = scratch.take<T>(unit.queries * width);
  simd::Operand<T> queries;  // f32 and f64 are read in place
  if constexpr (!std::is_same_v<E, T>) {
    T* widened = scratch.take<T>(unit.queries * width);
    simd::pack_rows(q.at(first_query, column), q.stride, unit.queries, d, widened);
    queries = {widened, width, 1};
  } else {
    queries = {q.at(first_query, column), q.stride, 1};
  }
  RunningSoftmax<T> softmax[kQueryBlock];
  if (needed_keys == 0) std::memset(sums, 0, static_cast<size_t>(unit.queries * width) * sizeof(T));

  for (int64_t begin = 0; begin < needed_keys; begin += kForwardKeys) {
    const int64_t n = std::min(kForwardKeys, needed_keys - begin), length = simd::padded<T>(n);
    simd::pack_transposed(k.at(first_key + begin, column), k.stride, n, d, static_cast<T>(sizes.scale()), keys);
    simd::pack_rows(v.at(first_key + begin, column), v.stride, n, d, values);
    for (int64_t i = 0; i < unit.queries; i += kForwardTile) {
      const int64_t rows = std::min(kForwardTile, unit.queries - i);
      simd::product<T>({queries.data + i * queries.row, queries.row, 1}, keys, length, scores, length, rows, n, d,
                       false);
      softmax_tile(softmax + i, scores, rows, length, sums + i * width, width,
                   [&](int64_t r) { return std::clamp<int64_t>(sizes.visible(s, unit.query + i + r) - begin, 0, n); });
      drop(sizes, unit.head, first_query + i, begin, scores, rows, n, length);
      simd::product<T>({scores, length, 1}, values, width, sums + i * width, width, rows, d, n, begin > 0);
    }
  }

  for (int64_t i = 0; i < unit.queries; ++i) {
    const bool sees = softmax[i].sum != 0;
    const T factor = sees ? 1 / softmax[i].sum : T{0};
    for (int64_t c = 0; c < width; ++c) sums[i * width + c] *= factor;
    log_sum_exp[(first_query + i) * sizes.heads + unit.head] = softmax[i].maximum + std::log(softmax[i].sum);
  }
  simd::unpack_rows(sums, unit.queries, d, out.at(first_query, column), out.stride);
}

// A tile of scores S → P, and of gradients dP → scale · dS, in place.
template <class T, class Visible>
void score_gradients(T* scores, T* gradients, int64_t rows, int64_t length, const T* log_sum_exp, int64_t heads,
                     const T* d_sums, T scale, Visible visible) {
  for (int64_t r = 0; r < rows; ++r) subtract(scores + r * length, visible(r), length, log_sum_exp[r * heads]);
  exponentials(scores, rows, length);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < length; j += simd::kLanes<T>) {
      T *p = scores + r * length + j, *dp = gradients + r * length + j;
      const simd::Vector<T> zero{}, v = simd::first_lanes<T>(visible(r) - j) ? simd::load(p) : zero;
      simd::store(p, v);
      simd::store(dp, v * (simd::load(dp) - d_sums[r]) * scale);
    }
}

// The same where a tile holds whole rows, with which a row of dS sums to zero as closely as its own rounding allows: P
// is divided by its own sum, which leaves log_sum_exp's rounding out, and the mean of dP is taken off in two steps,
// since what the first leaves is small.
template <class T, class Visible>
void whole_row_gradients(T* scores, T* gradients, int64_t rows, int64_t length, const T* log_sum_exp, int64_t heads,
                         T scale, Visible visible) {
  using Vector = simd::Vector<T>;
  for (int64_t r = 0; r < rows; ++r) subtract(scores + r * length, visible(r), length, log_sum_exp[r * heads]);
  exponentials(scores, rows, length);
  for (int64_t r = 0; r < rows; ++r) {
    T *p = scores + r * length, *dp = gradients + r * length;
    const T sum = clear_and_sum(p, visible(r), length), factor = sum != 0 ? 1 / sum : T{0};
    Vector weighted{}, rest{};
    for (int64_t j = 0; j < length; j += simd::kLanes<T>) weighted += simd::load(p + j) * simd::load(dp + j);
    const T mean = simd::sum_of_lanes<T>(weighted) * factor;
    for (int64_t j = 0; j < length; j += simd::kLanes<T>) {
      const Vector centred = simd::load(dp + j) - mean;
      simd::store(dp + j, centred);
      rest += simd::load(p + j) * centred;
    }
    const T small = simd::sum_of_lanes<T>(rest) * factor;
    for (int64_t j = 0; j < length; j += simd::kLanes<T>) {
      const Vector v = simd::load(p + j) * factor;
      simd::store(p + j, v);
      simd::store(dp + j, v * (simd::load(dp + j) - small) * scale);
    }
  }
}

// All queries of one head of one sequence: every gradient is summed here alone, in the order of the tiles.
template <class E, class T = Arithmetic<E>>
void backward_unit(const Sizes& sizes, int64_t s, int64_t head, const BackwardRows<E>& x) {
  const int64_t d = sizes.head_size, width = simd::padded<T>(d), column = head * d;
  const int64_t first_query = sizes.cu_queries[s], queries = sizes.queries(s);
  const int64_t first_key = sizes.cu_keys[s], keys = sizes.keys(s);
  if (queries == 0 && keys == 0) return;
  const int64_t block = std::min(simd::padded<T>(keys), kBackwardKeys), tile = std::min(queries, kBackwardTile);
  const T scale = static_cast<T>(sizes.scale());

  Scratch scratch =
      Scratch::of_this_thread(3 * Scratch::bytes_for<T>(queries * width) + Scratch::bytes_for<T>(queries) +
                              3 * Scratch::bytes_for<T>(block * width) + 2 * Scratch::bytes_for<T>(d * block) +
                              2 * Scratch::bytes_for<T>(tile * block));
  T* q = scratch.take<T>(queries * width);
  T* dout = scratch.take<T>(queries * width);
  T* dq = scratch.take<T>(queries * width);
  T* d_sums = scratch.take<T>(queries);
  T* k = scratch.take<T>(block * width);
  T* dk = scratch.take<T>(block * width);
  T* dv = scratch.take<T>(block * width);
  T* k_transposed = scratch.take<T>(d * block);
  T* v_transposed = scratch.take<T>(d * block);
  T* scores = scratch.take<T>(tile * block);
  T* gradients = scratch.take<T>(tile * block);

  simd::pack_rows(x.q.at(first_query, column), x.q.stride, queries, d, q);
  simd::pack_rows(x.dout.at(first_query, column), x.dout.stride, queries, d, dout);
  std::memset(dq, 0, static_cast<size_t>(queries * width) * sizeof(T));
  const bool whole_rows = keys <= kBackwardKeys;
  for (int64_t i = 0; i < queries && !whole_rows; ++i)
    d_sums[i] = simd::dot(dout + i * width, x.out.at(first_query + i, column), d);

  for (int64_t begin = 0; begin < keys; begin += kBackwardKeys) {
    const int64_t n = std::min(kBackwardKeys, keys - begin), length = simd::padded<T>(n);
    simd::pack_rows(x.k.at(first_key + begin, column), x.k.stride, n, d, k);
    simd::pack_transposed(x.k.at(first_key + begin, column), x.k.stride, n, d, scale, k_transposed);
    simd::pack_transposed(x.v.at(first_key + begin, column), x.v.stride, n, d, T{1}, v_transposed);
    std::memset(dk, 0, static_cast<size_t>(n * width) * sizeof(T));
    std::memset(dv, 0, static_cast<size_t>(n * width) * sizeof(T));
    for (int64_t i = 0; i < queries; i += kBackwardTile) {
      const int64_t rows = std::min(kBackwardTile, queries - i);
      if (sizes.visible(s, i + rows - 1) <= begin) continue;
      const T *q_tile = q + i * width, *dout_tile = dout + i * width;
      simd::product<T>({q_tile, width, 1}, k_transposed, length, scores, length, rows, n, d, false);
      simd::product<T>({dout_tile, width, 1}, v_transposed, length, gradients, length, rows, n, d, false);
      drop(sizes, head, first_query + i, begin, gradients, rows, n, length);
      const T* log_sum_exp = x.log_sum_exp + (first_query + i) * sizes.heads + head;
      const auto visible = [&](int64_t r) { return std::clamp<int64_t>(sizes.visible(s, i + r) - begin, 0, n); };
      if (whole_rows)
        whole_row_gradients(scores, gradients, rows, length, log_sum_exp, sizes.heads, scale, visible);
      else
        score_gradients(scores, gradients, rows, length, log_sum_exp, sizes.heads, d_sums + i, scale, visible);
      drop(sizes, head, first_query + i, begin, scores, rows, n, length);
      simd::product<T>({scores, 1, length}, dout_tile, width, dv, width, n, d, rows, true);
      simd::product<T>({gradients, 1, length}, q_tile, width, dk, width, n, d, rows, true);
      simd::product<T>({gradients, length, 1}, k, width, dq + i * width, width, rows, d, n, true);
    }
    simd::unpack_rows(dk, n, d, x.dk.at(first_key + begin, column), x.dk.stride);
    simd::unpack_rows(dv, n, d, x.dv.at(first_key + begin, column), x.dv.stride);
  }
  simd::unpack_rows(dq, queries, d, x.dq.at(first_query, column), x.dq.stride);
}

template <class T>
Rows<const T> rows_of(const Tensor& x) {
  return {x.data<T>(), x.stride(0)};
}

void check_target(const Tensor& x, const Tensor& like, const char* name) {
  check(x.defined() && x.shape() == like.shape() && x.dtype() == like.dtype() && x.device() == like.device() &&
            (x.size(1) == 1 || x.stride(1) == 1),
        kAttentionOp, ": ", name, " is ", describe(x), ", expected ", describe(like), " with rows in one piece");
}

template <class T>
Rows<T> target_rows(Tensor& x) {
  return {x.mutable_data<T>(), x.stride(0)};
}

}  // namespace

AttentionResult attention(const Tensor& q_any, const Tensor& k_any, const Tensor& v_any, const Tensor& cu_queries,
                          const Tensor& cu_keys, const AttentionOptions& options) {
  const Sizes sizes = check_sizes(q_any, k_any, v_any, cu_queries, cu_keys, options);
  const Tensor q = with_plain_rows(q_any), k = with_plain_rows(k_any), v = with_plain_rows(v_any);
  const DType arithmetic = arithmetic_dtype(q.dtype());
  AttentionResult result{Tensor::empty(q.shape(), q.dtype(), q.device()),
                         Tensor::empty({q.size(0), options.heads}, arithmetic, q.device())};
  if constexpr (kHasCuda)
    if (q.on_cuda()) {
      cuda::attention_forward(sizes, {cu_queries, cu_keys}, q, k, v, result);
      return result;
    }
  const std::vector<Unit> units = units_of(sizes, kQueryBlock);
  const bool pairs = multiplies_bf16_pairs() && !sizes.dropout.drops();
  dispatch_activation(kAttentionOp, q.dtype(), [&](auto tag) {
    using E = decltype(tag);
    const Rows<const E> qs = rows_of<E>(q), ks = rows_of<E>(k), vs = rows_of<E>(v);
    const Rows<E> out{result.out.mutable_data<E>(), q.size(1)};
    auto* log_sum_exp = result.log_sum_exp.mutable_data<Arithmetic<E>>();
    const auto forward = [&](const Unit& unit) {
      if constexpr (std::is_same_v<E, bf16>)
        if (pairs) return forward_unit_bf16(sizes, unit, qs, ks, vs, out, log_sum_exp);
      forward_unit<E>(sizes, unit, qs, ks, vs, out, log_sum_exp);
    };
    const auto count = static_cast<int64_t>(units.size());
    parallel_for(count, units_per_chunk(sizes, count), [&](int64_t begin, int64_t end) {
      for (int64_t u = begin; u < end; ++u) forward(units[static_cast<size_t>(u)]);
    });
  });
  return result;
}

void attention_backward(const Tensor& dout_any, const Tensor& q_any, const Tensor& k_any, const Tensor& v_any,
                        const AttentionResult& forward, const Tensor& cu_queries, const Tensor& cu_keys,
                        const AttentionOptions& options, Tensor dq, Tensor dk, Tensor dv) {
  const Sizes sizes = check_sizes(q_any, k_any, v_any, cu_queries, cu_keys, options);
  check(dout_any.shape() == q_any.shape() && dout_any.dtype() == q_any.dtype() && dout_any.device() == q_any.device(),
        kAttentionOp, ": dout is ", describe(dout_any), ", expected ", describe(q_any));
  check_target(dq, q_any, "dq");
  check_target(dk, k_any, "dk");
  check_target(dv, v_any, "dv");
  const Tensor q = with_plain_rows(q_any), k = with_plain_rows(k_any), v = with_plain_rows(v_any);
  const Tensor dout = with_plain_rows(dout_any);
  if constexpr (kHasCuda)
    if (q.on_cuda())
      return cuda::attention_gradients(sizes, {cu_queries, cu_keys}, dout, q, k, v, forward, {dq, dk, dv});
  const bool pairs = multiplies_bf16_pairs() && !sizes.dropout.drops();
  dispatch_activation(kAttentionOp, q.dtype(), [&](auto tag) {
    using E = decltype(tag);
    const BackwardRows<E> x{rows_of<E>(dout),   rows_of<E>(q),           rows_of<E>(k),
                            rows_of<E>(v),      rows_of<E>(forward.out), forward.log_sum_exp.data<Arithmetic<E>>(),
                            target_rows<E>(dq), target_rows<E>(dk),      target_rows<E>(dv)};
    const auto backward = [&](int64_t sequence, int64_t head) {
      if constexpr (std::is_same_v<E, bf16>)
        if (pairs) return backward_unit_bf16(sizes, sequence, head, x);
      backward_unit<E>(sizes, sequence, head, x);
    };
    const int64_t heads = sizes.heads, count = sizes.sequences() * heads;
    parallel_for(count, units_per_chunk(sizes, count), [&](int64_t begin, int64_t end) {
      for (int64_t u = begin; u < end; ++u) backward(u / heads, u % heads);
    });
  });
}

}  // namespace tessera::ops
