#include "tests/ops/attention/attention_reference.h"

#include <cmath>
#include <limits>

#include "tensor/eigen.h"

namespace tessera::reference {
namespace {

// Products are lazy: plain sums of products, which compile in half the time that blocked ones take.
using Matrix = RowMajorMatrix<double>;
using Array = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Column = ColumnArray<double>;

constexpr double kRounding = 0x1p-8, kF32 = 0x1p-15;

// A product stored in bf16, whose left factor errs.
struct BoundedMatrix {
  Matrix value, bound;
};
BoundedMatrix product(const Matrix& left, const Matrix& left_error, const Matrix& right) {
  const Matrix value = left.lazyProduct(right);
  return {value, left_error.lazyProduct(right.cwiseAbs()) + kRounding * value.cwiseAbs()};
}

// The rows of one sequence and the columns of one head.
struct Head {
  int64_t number, first_query, queries, first_key, keys, first_column, size;

  Matrix queries_of(const Tensor& x) const {
    return matrix_map<double>(x).block(first_query, first_column, queries, size);
  }
  Matrix keys_of(const Tensor& x) const { return matrix_map<double>(x).block(first_key, first_column, keys, size); }
  void write(const Tensor& to, int64_t first_row, const Matrix& values) const {
    mutable_matrix_map<double>(to).block(first_row, first_column, values.rows(), size) = values;
  }
  void write(const Bounded& to, int64_t first_row, const BoundedMatrix& values) const {
    write(to.value, first_row, values.value);
    write(to.bound, first_row, values.bound);
  }
};

template <class F>
void for_each_head(const Tensor& q, const Tensor& cu_q, const Tensor& cu_k, int64_t heads, F f) {
  const auto queries = vector_map<int64_t>(cu_q), keys = vector_map<int64_t>(cu_k);
  const int64_t size = q.size(1) / heads;
  for (int64_t s = 0; s + 1 < queries.size(); ++s)
    for (int64_t h = 0; h < heads; ++h)
      f(Head{h, queries(s), queries(s + 1) - queries(s), keys(s), keys(s + 1) - keys(s), h * size, size});
}

double scale_of(const Head& head) { return 1 / std::sqrt(static_cast<double>(head.size)); }

// exp of the scores Q Kᵀ / √d, and 0 where a causal query does not look: the last one sees all keys, each before it
// one fewer.
Array exponentials(const Matrix& q, const Matrix& k, double scale, bool causal) {
  const Array scores = scale * q.lazyProduct(k.transpose());
  const auto seen = [&](Eigen::Index i, Eigen::Index j) { return !causal || k.rows() - j >= q.rows() - i ? 1.0 : 0.0; };
  return scores.exp() * Array::NullaryExpr(q.rows(), k.rows(), seen);
}

// Rows that see nothing stay zeros.
Array over_sums(const Array& rows) {
  const Column sums = rows.rowwise().sum().max(std::numeric_limits<double>::min());
  return rows.colwise() / sums;
}

Bounded zeros_like(const Tensor& x) { return {Tensor::zeros_like(x), Tensor::zeros_like(x)}; }

}  // namespace

Attention attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_q, const Tensor& cu_k,
                    int64_t heads, bool causal) {
  const Attention result{Tensor::zeros_like(q), Tensor::zeros({q.size(0), heads}, DType::f64)};
  for_each_head(q, cu_q, cu_k, heads, [&](const Head& head) {
    const Array e = exponentials(head.queries_of(q), head.keys_of(k), scale_of(head), causal);
    head.write(result.out, head.first_query, over_sums(e).matrix().lazyProduct(head.keys_of(v)));
    mutable_matrix_map<double>(result.log_sum_exp).block(head.first_query, head.number, head.queries, 1) =
        e.rowwise().sum().log().matrix();
  });
  return result;
}

AttentionBf16 attention_bf16(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dout, const Tensor& cu_q,
                             const Tensor& cu_k, int64_t heads, bool causal, bool rounded_factors,
                             int64_t most_whole_keys) {
  const double factor_error = kF32 + (rounded_factors ? kRounding : 0);
  const AttentionBf16 result{zeros_like(q), zeros_like(q), zeros_like(k), zeros_like(v)};
  for_each_head(q, cu_q, cu_k, heads, [&](const Head& head) {
    const Matrix queries = head.queries_of(q), keys = head.keys_of(k), values = head.keys_of(v);
    const Matrix d_out = head.queries_of(dout);
    const double scale = scale_of(head);
    const Array p = over_sums(exponentials(queries, keys, scale, causal));
    const BoundedMatrix out = product(p, factor_error * p, values);
    const BoundedMatrix dv = product(p.transpose(), factor_error * p.transpose(), d_out);

    const Array dp = d_out.lazyProduct(values.transpose());
    const Array dp_size = d_out.cwiseAbs().lazyProduct(values.cwiseAbs().transpose());
    const Column row_sum = (p * dp).rowwise().sum(), row_size = (p * dp_size).rowwise().sum();
    Column row_error = kF32 * row_size;
    if (head.keys > most_whole_keys) row_error += (d_out.array().abs() * out.bound.array()).rowwise().sum();
    const Array ds = scale * p * (dp.colwise() - row_sum);
    const Array ds_error =
        factor_error * ds.abs() + scale * p * ((kF32 * dp_size).colwise() + (row_error + kF32 * row_size));
    const BoundedMatrix dq = product(ds, ds_error, keys);
    const BoundedMatrix dk = product(ds.transpose(), ds_error.transpose(), queries);

    head.write(result.out, head.first_query, out);
    head.write(result.dq, head.first_query, dq);
    head.write(result.dk, head.first_key, dk);
    head.write(result.dv, head.first_key, dv);
  });
  return result;
}

double used_part(const Tensor& x, const Bounded& expected) {
  check(x.shape() == expected.value.shape(), "used_part: ", describe(x), ", expected ", expected.value.shape());
  if (x.numel() == 0) return 0;
  const Column got = array_map<double>(x.to(DType::f64).contiguous());
  const Column difference = (got - array_map<double>(expected.value)).abs();
  const auto used = (difference == 0).select(0, difference / array_map<double>(expected.bound));
  return used.maxCoeff<Eigen::PropagateNaN>();
}

}  // namespace tessera::reference
