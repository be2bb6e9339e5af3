#include "tensor/ops/ranking_hinge.h"

#include <vector>

#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/ranking_hinge_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

constexpr const char* kHingeOp = "ranking_hinge";

// One row or column: element k lies at s[k · step], its pair at s[own · step].
struct HingeLine {
  double loss = 0;
  int64_t active;
};

template <class T>
HingeLine hinge_line(const T* s, int64_t step, int64_t own, int64_t n, T margin, bool hardest) {
  HingeLine line{0, hardest ? -1 : 0};
  const T pair = s[own * step];
  T most = 0;
  for (int64_t k = 0; k < n; ++k) {
    const T cost = (margin + s[k * step]) - pair;
    if (k == own || cost <= 0) continue;  // NaN goes on
    if (!hardest) {
      line.loss += static_cast<double>(cost);
      ++line.active;
    } else if (!(cost <= most) && most == most) {
      most = cost;
      line.active = k;
    }
  }
  if (hardest) line.loss = static_cast<double>(most);
  return line;
}

// Calls f(T{}); on a GPU f32 alone.
template <class F>
void dispatch_hinge(DType dtype, F&& f) {
  if (dtype == DType::f32) return f(float{});
  check(dtype == DType::f64, kHingeOp, ": dtype is ", dtype, ", expected f32 or f64");
  f(double{});
}

}  // namespace

RankingHinge ranking_hinge(const Tensor& similarity, double margin, Negatives negatives) {
  check(similarity.defined() && similarity.dim() == 2 && similarity.size(0) == similarity.size(1), kHingeOp,
        ": similarity is ", describe(similarity), ", expected [n, n]");
  check(margin >= 0, kHingeOp, ": margin is ", margin, ", expected at least 0");
  const int64_t n = similarity.size(0);
  const bool hardest = negatives == Negatives::hardest;
  const Device device = similarity.device();
  const Tensor s = similarity.contiguous();
  RankingHinge result{{}, Tensor::empty({2, n}, DType::i64, device)};
  if constexpr (kHasCuda)
    if (s.on_cuda()) {
      result.loss = Tensor::empty({}, DType::f32, device);
      Tensor losses = Tensor::empty({2 * n}, DType::f64, device);
      cuda::ranking_hinge(s.device_data<float>(), static_cast<float>(margin), hardest, n,
                          result.active.mutable_device_data<int64_t>(), losses.mutable_device_data<double>(),
                          result.loss.mutable_device_data<float>());
      return result;
    }
  std::vector<double> losses(static_cast<size_t>(2 * n));
  dispatch_hinge(s.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* values = s.data<T>();
    int64_t* active = result.active.mutable_data<int64_t>();
    parallel_for(2 * n, grain_for(n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const bool row = i < n;
        const int64_t own = row ? i : i - n;
        const HingeLine line =
            hinge_line(values + own * (row ? n : 1), row ? 1 : n, own, n, static_cast<T>(margin), hardest);
        losses[static_cast<size_t>(i)] = line.loss;
        active[i] = line.active;
      }
    });
  });
  double total = 0;
  for (const double loss : losses) total += loss;
  result.loss = Tensor::scalar(total, s.dtype());
  return result;
}

Tensor ranking_hinge_backward(const Tensor& dloss, const Tensor& similarity, const Tensor& active, double margin,
                              Negatives negatives) {
  const Tensor s = similarity.contiguous();
  const int64_t n = s.size(0);
  const bool hardest = negatives == Negatives::hardest;
  Tensor gradient = Tensor::empty_like(s);
  if constexpr (kHasCuda)
    if (s.on_cuda()) {
      cuda::ranking_hinge_backward(dloss.device_data<float>(), s.device_data<float>(), active.device_data<int64_t>(),
                                   static_cast<float>(margin), hardest, n, gradient.mutable_device_data<float>());
      return gradient;
    }
  dispatch_hinge(s.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* values = s.data<T>();
    const T m = static_cast<T>(margin), scale = static_cast<T>(dloss.item());
    const int64_t *of_row = active.data<int64_t>(), *of_column = of_row + n;
    T* ds = gradient.mutable_data<T>();
    parallel_for(n, grain_for(n), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t j = 0; j < n; ++j) {
          const T value = m + values[i * n + j];
          int64_t count = 0;
          if (i == j)
            count = hardest ? -(of_row[i] >= 0) - (of_column[i] >= 0) : -of_row[i] - of_column[i];
          else if (hardest)
            count = (of_row[i] == j) + (of_column[j] == i);
          else
            count = !(value - values[i * n + i] <= 0) + !(value - values[j * n + j] <= 0);
          ds[i * n + j] = scale * static_cast<T>(count);
        }
    });
  });
  return gradient;
}

}  // namespace tessera::ops
