#include "tests/ops/reference.h"

#include <cmath>
#include <limits>

#include "tensor/eigen.h"

namespace tessera::reference {
namespace {

// Products are lazy: plain sums of products, which compile in half the time that blocked ones take.
using Array = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Column = ColumnArray<double>;

Tensor wide(const Tensor& x) { return x.to(DType::f64).contiguous(); }

// All but the last dimension as one.
Tensor rows_of(const Tensor& x) {
  const int64_t n = x.size(-1);
  return x.contiguous().view({n > 0 ? x.numel() / n : 0, n});
}

// The values of a matrix expression as a tensor of that many elements.
template <class Expression>
Tensor tensor_of(const Expression& values, const Shape& shape) {
  const Tensor result = Tensor::empty(shape, DType::f64);
  mutable_matrix_map<double>(result.view({values.rows(), values.cols()})) = values.matrix();
  return result;
}

// [before, size of the dimension, after]: its middle is what is reduced.
Tensor around(const Tensor& x, int dimension) {
  int64_t before = 1, after = 1;
  for (int d = 0; d < dimension; ++d) before *= x.size(d);
  for (int d = dimension + 1; d < x.dim(); ++d) after *= x.size(d);
  return wide(x).view({before, x.size(dimension), after});
}

Shape without(Shape shape, int dimension) {
  shape.erase(dimension);
  return shape;
}

Shape with(Shape shape, int64_t rows, int64_t columns) {
  shape.push_back(rows);
  shape.push_back(columns);
  return shape;
}

}  // namespace

Tensor map(const Tensor& x, double (*f)(double)) {
  return tensor_of(array_map<double>(wide(x)).unaryExpr(f), x.shape());
}

Tensor map(const Tensor& a, const Tensor& b, const Shape& shape, double (*f)(double, double)) {
  const Tensor left = wide(a.expand(shape)), right = wide(b.expand(shape));
  return tensor_of(array_map<double>(left).binaryExpr(array_map<double>(right), f), shape);
}

Tensor magnitude(const Tensor& x) { return tensor_of(array_map<double>(wide(x)).abs(), x.shape()); }

double gelu(double x) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); }

Tensor matmul(const Tensor& a, const Tensor& b, const Shape& batch) {
  const int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1), count = batch.numel();
  const Tensor left = wide(a.expand(with(batch, m, k))).view({count, m, k});
  const Tensor right = wide(b.expand(with(batch, k, n))).view({count, k, n});
  const Tensor result = Tensor::zeros({count, m, n}, DType::f64);
  for (int64_t i = 0; i < count; ++i)
    mutable_matrix_map<double>(result.select(0, i)) =
        matrix_map<double>(left.select(0, i)).lazyProduct(matrix_map<double>(right.select(0, i)));
  return result.view(with(batch, m, n));
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor y = matmul(x, weight.transpose(0, 1));
  if (bias.defined()) mutable_matrix_map<double>(y).rowwise() += vector_map<double>(wide(bias)).transpose();
  return y;
}

double norm(const Tensor& x) { return static_cast<double>(vector_map<double>(wide(x)).cast<long double>().norm()); }

Tensor sum(const Tensor& x, int dimension) {
  const Tensor blocks = around(x, dimension), result = Tensor::zeros({blocks.size(0), blocks.size(2)}, DType::f64);
  for (int64_t i = 0; i < blocks.size(0); ++i)
    mutable_vector_map<double>(result.select(0, i)) = matrix_map<double>(blocks.select(0, i)).colwise().sum();
  return result.view(without(x.shape(), dimension));
}

Maximum max(const Tensor& x, int dimension) {
  const Tensor blocks = around(x, dimension), value = Tensor::zeros({blocks.size(0), blocks.size(2)}, DType::f64);
  const Tensor index = Tensor::zeros(value.shape(), DType::i64);
  auto values = mutable_matrix_map<double>(value);
  auto indices = mutable_matrix_map<int64_t>(index);
  for (int64_t i = 0; i < value.size(0); ++i)
    for (int64_t j = 0; j < value.size(1); ++j)
      values(i, j) = matrix_map<double>(blocks.select(0, i)).col(j).maxCoeff(&indices(i, j));
  return {value.view(without(x.shape(), dimension)), index.view(without(x.shape(), dimension))};
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  if (x.numel() == 0) return Tensor::empty(x.shape(), DType::f64);
  const Tensor rows = rows_of(wide(x)), w = wide(weight), b = wide(bias);
  const auto values = matrix_map<double>(rows).array();
  const Array centred = values.colwise() - values.rowwise().mean();
  const Column deviation = (centred.square().rowwise().mean() + eps).sqrt();
  const Array scaled = (centred.colwise() / deviation).rowwise() * array_map<double>(w).transpose();
  return tensor_of(scaled.rowwise() + array_map<double>(b).transpose(), x.shape());
}

Tensor softmax(const Tensor& x, const Tensor& mask) {
  const Tensor rows = rows_of(wide(x));
  Array included = matrix_map<double>(rows).array().exp();
  if (mask.defined()) included *= (matrix_map<int64_t>(rows_of(mask)).array() != 0).cast<double>();
  const Column sums = included.rowwise().sum().max(std::numeric_limits<double>::min());
  return tensor_of(included.colwise() / sums, x.shape());
}

double cross_entropy(const Tensor& logits, const std::vector<int64_t>& labels, bool mean, int64_t ignored) {
  const Tensor x = wide(logits);
  const auto rows = matrix_map<double>(x).array();
  double total = 0, count = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == ignored) continue;
    const auto row = rows.row(static_cast<Eigen::Index>(i));
    total += std::log(row.exp().sum()) - row(labels[i]);
    ++count;
  }
  return mean && count > 0 ? total / count : total;
}

double bce_with_logits(const Tensor& logits, const Tensor& targets) {
  const Tensor x = wide(logits), t = wide(targets);
  const Column p = 1 / (1 + (-array_map<double>(x)).exp());
  const auto target = array_map<double>(t);
  return -(target * p.log() + (1 - target) * (1 - p).log()).sum();
}

Tensor interpolate_rows(const Tensor& table, const Tensor& index, const Tensor& weight) {
  const Tensor t = wide(table), w = wide(weight), result = Tensor::zeros({index.size(0), table.size(1)}, DType::f64);
  const auto rows = matrix_map<int64_t>(index);
  auto y = mutable_matrix_map<double>(result);
  for (int64_t i = 0; i < rows.rows(); ++i)
    for (int64_t k = 0; k < rows.cols(); ++k)
      y.row(i) += matrix_map<double>(w)(i, k) * matrix_map<double>(t).row(rows(i, k));
  return result;
}

Tensor cosine_cost(const Tensor& x, const Tensor& y) {
  const Tensor a = wide(x), b = wide(y);
  const auto unit = [](const Tensor& rows) { return matrix_map<double>(rows).rowwise().normalized(); };
  return tensor_of(1 - (unit(a).lazyProduct(unit(b).transpose())).array(), {x.size(0), y.size(0)});
}

Tensor ipot(const Tensor& cost, double beta, int iterations) {
  const Tensor c = wide(cost);
  const double p = 1 / static_cast<double>(c.size(0)), q = 1 / static_cast<double>(c.size(1));
  const Array a = (-matrix_map<double>(c).array() / beta).exp();
  Array plan = Array::Ones(c.size(0), c.size(1));
  Column sigma = Column::Constant(c.size(0), p);
  for (int t = 0; t < iterations; ++t) {
    const Array work = a * plan;
    const Column delta = q / (work.colwise() * sigma).colwise().sum().transpose();
    sigma = p / (work.rowwise() * delta.transpose()).rowwise().sum();
    plan = (work.colwise() * sigma).rowwise() * delta.transpose();
  }
  return tensor_of(plan, cost.shape());
}

}  // namespace tessera::reference
