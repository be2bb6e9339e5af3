#include "tensor/ops/cosine_cost.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/cosine_cost_kernels.h"
#include "tensor/ops/ragged.h"
#include "tensor/ops/scratch.h"
#include "tensor/parallel.h"
#include "tensor/simd/packing.h"
#include "tensor/simd/reductions.h"
#include "tensor/simd/small_product.h"

namespace tessera::ops {
namespace {

constexpr const char* kCosineCostOp = "cosine_cost";

// Up to so many multiply-adds the cosines of an f32 sample are taken in f64, which is not worth saving: transport
// amplifies the cost's rounding, by up to iterations / beta.
constexpr int64_t kExactLimit = 1 << 20;

// to [rows, padded width] = x_i / max(|x_i|, eps), zero in the padding; 1 / max(|x_i|, eps) → scale.
template <class Work, class T>
void to_unit_length(const T* x, int64_t stride, int64_t rows, int64_t width, double eps, T* scale, Work* to) {
  const int64_t length = simd::padded<Work>(width);
  for (int64_t i = 0; i < rows; ++i) {
    Work* unit = to + i * length;
    for (int64_t c = 0; c < width; ++c) unit[c] = static_cast<Work>(x[i * stride + c]);
    for (int64_t c = width; c < length; ++c) unit[c] = Work{0};
    const Work norm = std::sqrt(simd::dot(unit, unit, width)), factor = 1 / std::max(norm, static_cast<Work>(eps));
    for (int64_t c = 0; c < width; ++c) unit[c] *= factor;
    scale[i] = static_cast<T>(factor);
  }
}

// x [m rows], y [n rows] → cost [m, n] = 1 - cosine.
template <class Work, class T>
void sample_cost(const T* x, int64_t x_stride, int64_t m, const T* y, int64_t y_stride, int64_t n, int64_t width,
                 double eps, T* x_scale, T* y_scale, T* cost) {
  const int64_t padded_width = simd::padded<Work>(width), length = simd::padded<Work>(n);
  Scratch scratch =
      Scratch::of_this_thread(Scratch::bytes_for<Work>(m * padded_width) + Scratch::bytes_for<Work>(n * padded_width) +
                              Scratch::bytes_for<Work>(width * length) + Scratch::bytes_for<Work>(m * length));
  Work* x_unit = scratch.take<Work>(m * padded_width);
  Work* y_unit = scratch.take<Work>(n * padded_width);
  Work* y_transposed = scratch.take<Work>(width * length);
  Work* cosine = scratch.take<Work>(m * length);
  to_unit_length(x, x_stride, m, width, eps, x_scale, x_unit);
  to_unit_length(y, y_stride, n, width, eps, y_scale, y_unit);
  simd::pack_transposed(y_unit, padded_width, n, width, Work{1}, y_transposed);
  simd::product<Work>({x_unit, padded_width, 1}, y_transposed, length, cosine, length, m, n, width, false);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) cost[i * n + j] = static_cast<T>(1 - cosine[i * length + j]);
}

// to [rows, padded width] = scale_i · x_i, zero in the padding.
template <class T>
void scaled_rows(const T* x, int64_t stride, int64_t rows, int64_t width, const T* scale, T* to) {
  const int64_t length = simd::padded<T>(width);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t c = 0; c < width; ++c) to[i * length + c] = scale[i] * x[i * stride + c];
    for (int64_t c = width; c < length; ++c) to[i * length + c] = T{0};
  }
}

// Turns dx̂ [rows, padded width] into dx, where a norm above eps has a gradient of its own.
template <class T>
void through_norm(const T* d_unit, const T* unit, const T* scale, int64_t rows, int64_t width, T eps, T* dx) {
  const int64_t length = simd::padded<T>(width);
  for (int64_t i = 0; i < rows; ++i) {
    const T *from = d_unit + i * length, *direction = unit + i * length;
    const T along = scale[i] < 1 / eps ? simd::dot(from, direction, length) : T{0};
    for (int64_t c = 0; c < width; ++c) dx[i * width + c] = scale[i] * (from[c] - along * direction[c]);
  }
}

struct Problem {
  std::span<const int64_t> cu_x, cu_y;
  std::vector<int64_t> offsets;
  int64_t width;

  int64_t samples() const { return static_cast<int64_t>(cu_x.size()) - 1; }
};

Problem check_problem(const Tensor& x, const Tensor& y, const Tensor& cu_x, const Tensor& cu_y, double eps) {
  check(x.defined() && x.dim() == 2, kCosineCostOp, ": x is ", describe(x), ", expected [rows, d]");
  check(y.defined() && y.dim() == 2 && y.size(1) == x.size(1) && y.dtype() == x.dtype(), kCosineCostOp, ": y is ",
        describe(y), ", expected ", x.dtype(), " [rows, ", x.size(1), "]");
  check(eps > 0, kCosineCostOp, ": eps is ", eps, ", expected more than 0");
  const auto rows = check_marks(kCosineCostOp, "cu_x", cu_x, x.size(0)),
             columns = check_marks(kCosineCostOp, "cu_y", cu_y, y.size(0));
  check(rows.size() == columns.size(), kCosineCostOp, ": cu_x marks ", rows.size() - 1, " samples, cu_y ",
        columns.size() - 1);
  return {rows, columns, matrix_offsets(rows, columns), x.size(1)};
}

// The marks on a GPU.
class PairsOnDevice {
 public:
  PairsOnDevice(const Problem& problem, const Tensor& cu_x, const Tensor& cu_y)
      : cu_x_(cuda::on_device(cu_x)),
        cu_y_(cuda::on_device(cu_y)),
        offsets_(cuda::offsets_on_device(cu_x, cu_y, problem.offsets)),
        samples_(problem.samples()),
        most_x_(longest(problem.cu_x)),
        most_y_(longest(problem.cu_y)) {}

  cuda::RaggedPairs pairs() const {
    return {cu_x_.device_data<int64_t>(),
            cu_y_.device_data<int64_t>(),
            offsets_.device_data<int64_t>(),
            samples_,
            most_x_,
            most_y_};
  }

 private:
  Tensor cu_x_, cu_y_, offsets_;
  int64_t samples_, most_x_, most_y_;
};

void cost_on_device(const Tensor& x, const Tensor& y, const PairsOnDevice& marks, double eps,
                    CosineCostResult& result) {
  Tensor workspace = Tensor::empty({x.size(0) + y.size(0)}, DType::f64, x.device());
  cuda::cosine_cost(x.device_data<float>(), y.device_data<float>(), marks.pairs(), x.size(0), y.size(0), x.size(1), eps,
                    result.x_scale.mutable_device_data<float>(), result.y_scale.mutable_device_data<float>(),
                    result.cost.mutable_device_data<float>(), workspace.mutable_device_data<double>());
}

}  // namespace

CosineCostResult cosine_cost(const Tensor& x_any, const Tensor& y_any, const Tensor& cu_x, const Tensor& cu_y,
                             double eps) {
  const Problem p = check_problem(x_any, y_any, cu_x, cu_y, eps);
  CosineCostResult result{Tensor::empty({p.offsets.back()}, x_any.dtype(), x_any.device()),
                          Tensor::empty({x_any.size(0)}, x_any.dtype(), x_any.device()),
                          Tensor::empty({y_any.size(0)}, x_any.dtype(), x_any.device())};
  if constexpr (kHasCuda)
    if (x_any.on_cuda()) {
      cost_on_device(x_any.contiguous(), y_any.contiguous(), PairsOnDevice(p, cu_x, cu_y), eps, result);
      return result;
    }
  const Tensor x = with_plain_rows(x_any), y = with_plain_rows(y_any);
  dispatch_floating(kCosineCostOp, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *xs = x.data<T>(), *ys = y.data<T>();
    T *x_scale = result.x_scale.mutable_data<T>(), *y_scale = result.y_scale.mutable_data<T>();
    T* cost = result.cost.mutable_data<T>();
    parallel_chunks(p.samples(), [&](int64_t s) {
      const int64_t first_x = p.cu_x[s], first_y = p.cu_y[s], m = p.cu_x[s + 1] - first_x, n = p.cu_y[s + 1] - first_y;
      const auto cost_in = [&](auto work) {
        sample_cost<decltype(work)>(xs + first_x * x.stride(0), x.stride(0), m, ys + first_y * y.stride(0), y.stride(0),
                                    n, p.width, eps, x_scale + first_x, y_scale + first_y,
                                    cost + p.offsets[static_cast<size_t>(s)]);
      };
      if (m * n * p.width <= kExactLimit)
        cost_in(double{});
      else
        cost_in(T{});
    });
  });
  return result;
}

CosineCostGradients cosine_cost_backward(const Tensor& dcost_any, const Tensor& x_any, const Tensor& y_any,
                                         const CosineCostResult& forward, const Tensor& cu_x, const Tensor& cu_y,
                                         double eps) {
  const Problem p = check_problem(x_any, y_any, cu_x, cu_y, eps);
  const Tensor dcost = dcost_any.contiguous();
  check(dcost.numel() == p.offsets.back() && dcost.dtype() == x_any.dtype(), kCosineCostOp, ": dcost is ",
        describe(dcost), ", expected ", x_any.dtype(), " with ", p.offsets.back(), " elements");
  CosineCostGradients result{Tensor::empty_like(x_any), Tensor::empty_like(y_any)};
  if constexpr (kHasCuda)
    if (x_any.on_cuda()) {
      const Tensor x = x_any.contiguous(), y = y_any.contiguous();
      cuda::cosine_cost_backward(dcost.device_data<float>(), x.device_data<float>(), y.device_data<float>(),
                                 forward.x_scale.device_data<float>(), forward.y_scale.device_data<float>(),
                                 PairsOnDevice(p, cu_x, cu_y).pairs(), p.width, eps,
                                 result.dx.mutable_device_data<float>(), result.dy.mutable_device_data<float>());
      return result;
    }
  const Tensor x = with_plain_rows(x_any), y = with_plain_rows(y_any);
  dispatch_floating(kCosineCostOp, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *xs = x.data<T>(), *ys = y.data<T>(), *gradient = dcost.data<T>();
    const T *x_scale = forward.x_scale.data<T>(), *y_scale = forward.y_scale.data<T>();
    T *dx = result.dx.mutable_data<T>(), *dy = result.dy.mutable_data<T>();
    const int64_t width = p.width, length = simd::padded<T>(width);
    parallel_chunks(p.samples(), [&](int64_t s) {
      const int64_t first_x = p.cu_x[s], first_y = p.cu_y[s], m = p.cu_x[s + 1] - first_x, n = p.cu_y[s + 1] - first_y;
      Scratch scratch = Scratch::of_this_thread(2 * Scratch::bytes_for<T>(m * length) +
                                                2 * Scratch::bytes_for<T>(n * length) + Scratch::bytes_for<T>(m * n));
      T* x_unit = scratch.take<T>(m * length);
      T* y_unit = scratch.take<T>(n * length);
      T* dx_unit = scratch.take<T>(m * length);
      T* dy_unit = scratch.take<T>(n * length);
      T* minus = scratch.take<T>(m * n);
      scaled_rows(xs + first_x * x.stride(0), x.stride(0), m, width, x_scale + first_x, x_unit);
      scaled_rows(ys + first_y * y.stride(0), y.stride(0), n, width, y_scale + first_y, y_unit);
      const T* g = gradient + p.offsets[static_cast<size_t>(s)];
      for (int64_t i = 0; i < m * n; ++i) minus[i] = -g[i];
      simd::product<T>({minus, n, 1}, y_unit, length, dx_unit, length, m, width, n, false);
      simd::product<T>({minus, 1, n}, x_unit, length, dy_unit, length, n, width, m, false);
      through_norm(dx_unit, x_unit, x_scale + first_x, m, width, static_cast<T>(eps), dx + first_x * width);
      through_norm(dy_unit, y_unit, y_scale + first_y, n, width, static_cast<T>(eps), dy + first_y * width);
    });
  });
  return result;
}

}  // namespace tessera::ops
