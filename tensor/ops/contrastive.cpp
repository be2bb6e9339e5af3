#include "tensor/ops/contrastive.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/cuda/dispatch.h"
#include "tensor/cuda/sum_workspace.h"
#include "tensor/ops/contrastive_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

constexpr const char* kContrastiveOp = "contrastive_loss";
constexpr int64_t kExponentialWork = 16;  // what an exponential in f64 costs

template <class F>
void dispatch_contrastive(DType dtype, F&& f) {
  if (dtype == DType::f64) return f(double{});
  f(float{});
}

void check_contrastive(const Tensor& similarity, const Tensor& log_scale) {
  check(similarity.defined() && similarity.dim() == 2 && similarity.size(0) == similarity.size(1), kContrastiveOp,
        ": similarity is ", describe(similarity), ", expected [n, n]");
  const DType dtype = similarity.dtype();
  check(dtype == DType::f32 || (dtype == DType::f64 && !similarity.on_cuda()), kContrastiveOp, ": dtype is ", dtype,
        similarity.on_cuda() ? ", expected f32 on a GPU" : ", expected f32 or f64");
  check(log_scale.defined() && log_scale.numel() == 1 && log_scale.dtype() == dtype, kContrastiveOp, ": log_scale is ",
        describe(log_scale), ", expected one number, ", dtype);
}

// Of a row or column: ops::Contrastive.
struct Line {
  double most = -INFINITY, log_sum = 0;

  // log(exp(scale · value) / Σ exp).
  double log_share(double scale, double value) const { return scale * (value - most) - log_sum; }
};
static_assert(sizeof(Line) == 2 * sizeof(double));

// The columns [begin, end).
template <class T>
void sum_columns(const T* s, int64_t n, double scale, int64_t begin, int64_t end, Line* columns) {
  std::vector<double> total(static_cast<size_t>(end - begin), 0.0);
  for (int64_t j = begin; j < end; ++j) columns[j] = {};
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = begin; j < end; ++j)
      columns[j].most = std::max(columns[j].most, static_cast<double>(s[i * n + j]));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = begin; j < end; ++j)
      total[static_cast<size_t>(j - begin)] += std::exp(scale * (static_cast<double>(s[i * n + j]) - columns[j].most));
  for (int64_t j = begin; j < end; ++j) columns[j].log_sum = std::log(total[static_cast<size_t>(j - begin)]);
}

Contrastive contrastive_on_device(const Tensor& s, const Tensor& log_scale) {
  const int64_t n = s.size(0);
  Contrastive result{Tensor::empty({}, DType::f32, s.device()), Tensor::empty({2, n, 2}, DType::f64, s.device())};
  Tensor workspace = Tensor::empty({cuda::sum_workspace(n)}, DType::f64, s.device());
  cuda::contrastive(s.device_data<float>(), log_scale.device_data<float>(), n,
                    result.lines.mutable_device_data<double>(), workspace.mutable_device_data<double>(),
                    result.loss.mutable_device_data<float>());
  return result;
}

}  // namespace

Contrastive contrastive(const Tensor& similarity, const Tensor& log_scale) {
  check_contrastive(similarity, log_scale);
  const Tensor s = similarity.contiguous();
  const int64_t n = s.size(0);
  if constexpr (kHasCuda)
    if (s.on_cuda()) return contrastive_on_device(s, log_scale);
  const double scale = std::exp(log_scale.item());
  Contrastive result{{}, Tensor::empty({2, n, 2}, DType::f64)};
  Line* rows = reinterpret_cast<Line*>(result.lines.mutable_data<double>());
  double loss = 0;
  dispatch_contrastive(s.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = s.data<T>();
    parallel_for(n, grain_for(kExponentialWork * n), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* row = from + i * n;
        const double most = static_cast<double>(*std::max_element(row, row + n));
        double total = 0;
        for (int64_t j = 0; j < n; ++j) total += std::exp(scale * (static_cast<double>(row[j]) - most));
        rows[i] = {most, std::log(total)};
      }
    });
    constexpr int64_t kColumns = 32;
    parallel_for(n, kColumns, [=](int64_t begin, int64_t end) { sum_columns(from, n, scale, begin, end, rows + n); });
    for (int64_t i = 0; i < n; ++i) {
      const double own = static_cast<double>(from[i * n + i]);
      loss -= rows[i].log_share(scale, own) + rows[n + i].log_share(scale, own);
    }
  });
  result.loss = Tensor::scalar(n > 0 ? loss / static_cast<double>(2 * n) : 0, s.dtype());
  return result;
}

ContrastiveGradients contrastive_backward(const Tensor& dloss, const Tensor& similarity, const Tensor& log_scale,
                                          const Tensor& lines) {
  const Tensor s = similarity.contiguous();
  const int64_t n = s.size(0);
  ContrastiveGradients gradients{Tensor::empty_like(s), Tensor::empty_like(log_scale)};
  if constexpr (kHasCuda)
    if (s.on_cuda()) {
      Tensor workspace = Tensor::empty({cuda::sum_workspace(n * n)}, DType::f64, s.device());
      cuda::contrastive_backward(dloss.device_data<float>(), s.device_data<float>(), log_scale.device_data<float>(), n,
                                 lines.device_data<double>(), gradients.d_similarity.mutable_device_data<float>(),
                                 gradients.d_log_scale.mutable_device_data<float>(),
                                 workspace.mutable_device_data<double>());
      return gradients;
    }
  const double scale = std::exp(log_scale.item()), factor = dloss.item() / static_cast<double>(2 * n);
  const Line *of_row = reinterpret_cast<const Line*>(lines.data<double>()), *of_column = of_row + n;
  std::vector<double> partial(static_cast<size_t>(n), 0.0);
  dispatch_contrastive(s.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = s.data<T>();
    T* to = gradients.d_similarity.mutable_data<T>();
    parallel_for(n, grain_for(2 * kExponentialWork * n), [&, from, to](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        double along = 0;
        for (int64_t j = 0; j < n; ++j) {
          const double value = static_cast<double>(from[i * n + j]);
          const double both =
              std::exp(of_row[i].log_share(scale, value)) + std::exp(of_column[j].log_share(scale, value));
          const double gradient = factor * (i == j ? both - 2 : both);
          to[i * n + j] = static_cast<T>(scale * gradient);
          along += gradient * scale * value;
        }
        partial[static_cast<size_t>(i)] = along;
      }
    });
  });
  double total = 0;
  for (const double along : partial) total += along;
  gradients.d_log_scale.fill_(total);
  return gradients;
}

}  // namespace tessera::ops
