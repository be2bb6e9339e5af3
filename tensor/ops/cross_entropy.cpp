#include "tensor/ops/cross_entropy.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "tensor/activation.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/cross_entropy_kernels.h"
#include "tensor/ops/ragged.h"
#include "tensor/parallel.h"
#include "tensor/simd/reductions.h"
#include "tensor/simd/vector_math.h"

namespace tessera::ops {
namespace {

constexpr const char* kCrossEntropyOp = "cross_entropy";
// Probabilities of so few classes, and their sums, are taken in f64: p - 1 of a label that is nearly certain keeps its
// digits.
constexpr int64_t kFewClasses = 16;

int64_t check_labels(const Tensor& logits, const Tensor& labels, int64_t ignore_index) {
  check(logits.defined() && logits.dim() == 2, kCrossEntropyOp, ": logits are ", describe(logits),
        ", expected [n, classes]");
  check(labels.defined() && labels.dtype() == DType::i64 && labels.shape() == Shape{logits.size(0)}, kCrossEntropyOp,
        ": labels are ", describe(labels), ", expected i64 [", logits.size(0), "]");
  check(labels.is_contiguous(), kCrossEntropyOp, ": labels are not contiguous");
  const int64_t* label = labels.data<int64_t>();
  int64_t counted = 0;
  for (int64_t i = 0; i < labels.numel(); ++i) {
    if (label[i] == ignore_index) continue;
    check(label[i] >= 0 && label[i] < logits.size(1), kCrossEntropyOp, ": label[", i, "] is ", label[i],
          ", expected 0 to ", logits.size(1) - 1, " or ", ignore_index, " (ignored)");
    ++counted;
  }
  return counted;
}

// log Σ exp x, with the exponentials in a small buffer so that both loops are vector code.
template <class T>
double log_sum_exp_of(const T* x, int64_t n) {
  constexpr int64_t kBuffer = 256;
  using A = Arithmetic<T>;
  A buffer[kBuffer];
  double total = 0;
  const A most = simd::maximum(x, n);
  if (n <= kFewClasses) {
    for (int64_t j = 0; j < n; ++j) total += std::exp(static_cast<double>(x[j]) - static_cast<double>(most));
    return static_cast<double>(most) + std::log(total);
  }
  for (int64_t begin = 0; begin < n; begin += kBuffer) {
    const int64_t count = n - begin < kBuffer ? n - begin : kBuffer;
    for (int64_t j = 0; j < count; ++j) buffer[j] = vmath::exp(static_cast<A>(x[begin + j]) - most);
    total += static_cast<double>(simd::sum(buffer, count));
  }
  return static_cast<double>(most) + std::log(total);
}

CrossEntropyResult cross_entropy_on_device(const Tensor& logits, const Tensor& labels, bool mean, int64_t counted,
                                           int64_t ignore_index) {
  const Device device = logits.device();
  const int64_t n = logits.size(0), classes = logits.size(1);
  CrossEntropyResult result{Tensor::empty({}, DType::f32, device), Tensor::empty({n}, DType::f64, device), counted};
  Tensor losses = Tensor::empty({n}, DType::f64, device);
  const Tensor label = cuda::on_device(labels);
  const double divisor = mean && counted > 0 ? static_cast<double>(counted) : 1.0;
  cuda::dispatch_device(kCrossEntropyOp, logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    cuda::cross_entropy(logits.device_data<T>(), label.device_data<int64_t>(),
                        result.log_sum_exp.mutable_device_data<double>(), losses.mutable_device_data<double>(),
                        result.loss.mutable_device_data<float>(), n, classes, divisor, ignore_index);
  });
  return result;
}

}  // namespace

CrossEntropyResult cross_entropy(const Tensor& logits_any, const Tensor& labels_any, bool mean, int64_t ignore_index) {
  const Tensor labels = labels_any.defined() ? labels_any.contiguous() : labels_any;
  const int64_t counted = check_labels(logits_any, labels, ignore_index);
  if constexpr (kHasCuda)
    if (logits_any.on_cuda())
      return cross_entropy_on_device(logits_any.contiguous(), labels, mean, counted, ignore_index);
  const Tensor logits = with_plain_rows(logits_any);
  const int64_t n = logits.size(0), classes = logits.size(1);
  CrossEntropyResult result{{}, Tensor::empty({n}, DType::f64), counted};
  std::vector<double> losses(static_cast<size_t>(n), 0.0);
  dispatch_activation(kCrossEntropyOp, logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const int64_t* label = labels.data<int64_t>();
    const T* x = logits.data<T>();
    double* log_sum_exp = result.log_sum_exp.mutable_data<double>();
    parallel_for(n, grain_for(4 * classes), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if (label[i] == ignore_index) continue;
        const T* row = x + i * logits.stride(0);
        log_sum_exp[i] = log_sum_exp_of(row, classes);
        losses[static_cast<size_t>(i)] = log_sum_exp[i] - static_cast<double>(row[label[i]]);
      }
    });
  });
  double total = 0;
  for (const double loss : losses) total += loss;
  result.loss = Tensor::scalar(mean && counted > 0 ? total / static_cast<double>(counted) : total,
                               arithmetic_dtype(logits.dtype()));
  return result;
}

namespace {

// factor · (p_c - [c = label]), p_c = exp(x_c - norm), in f64.
template <class T>
T precise_gradient(double factor, const T* x, int64_t c, int64_t label, double norm) {
  const double probability = std::exp(static_cast<double>(x[c]) - norm);
  return static_cast<T>(static_cast<Arithmetic<T>>(factor * (c == label ? probability - 1 : probability)));
}

// Of few classes in f32. A row of the gradient sums to zero, but rounded it would by an error of the label's element,
// as large as that of all others together; every sum of rows behind it, such as the gradient of a bias that all classes
// share, would be made of these errors alone. So the largest other element, at least 1 / (classes - 1) of the label's,
// takes what the roundings leave: its own error grows to at most 2^-23 (classes - 1) of it.
void balanced_row(double factor, const float* x, int64_t label, double norm, int64_t classes, float* dx) {
  double rest = 0;
  int64_t largest = label == 0 ? 1 : 0;
  for (int64_t c = 0; c < classes; ++c) {
    dx[c] = precise_gradient(factor, x, c, label, norm);
    rest += static_cast<double>(dx[c]);
    if (c != label && std::fabs(dx[c]) > std::fabs(dx[largest])) largest = c;
  }
  if (classes > 1) dx[largest] = static_cast<float>(static_cast<double>(dx[largest]) - rest);
}

// x, dx [classes].
template <class T>
void backward_row(double factor, const T* x, int64_t label, double norm, int64_t classes, T* dx) {
  if constexpr (std::is_same_v<T, float>)
    if (classes <= kFewClasses) return balanced_row(factor, x, label, norm, classes, dx);
  if (classes <= kFewClasses) {
    for (int64_t c = 0; c < classes; ++c) dx[c] = precise_gradient(factor, x, c, label, norm);
    return;
  }
  using A = Arithmetic<T>;
  const A scale = static_cast<A>(factor), high = static_cast<A>(norm);
  const A low = static_cast<A>(norm - static_cast<double>(high));
  for (int64_t c = 0; c < classes; ++c) dx[c] = static_cast<T>(scale * vmath::exp((static_cast<A>(x[c]) - high) - low));
  if constexpr (std::is_same_v<T, A>)
    dx[label] -= scale;
  else  // of a rounded p, p - 1 would have no digits left
    dx[label] = precise_gradient(factor, x, label, label, norm);
}

}  // namespace

Tensor cross_entropy_backward(double factor, const Tensor& logits_any, const Tensor& labels_any,
                              const Tensor& log_sum_exp, int64_t ignore_index) {
  const Tensor logits = with_plain_rows(logits_any), labels = labels_any.contiguous();
  const int64_t n = logits.size(0), classes = logits.size(1);
  Tensor gradient = Tensor::empty({n, classes}, logits.dtype());
  dispatch_activation(kCrossEntropyOp, logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const int64_t* label = labels.data<int64_t>();
    const T* x = logits.data<T>();
    const double* norm = log_sum_exp.data<double>();
    T* dx = gradient.mutable_data<T>();
    parallel_for(n, grain_for(4 * classes), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        T* to = dx + i * classes;
        if (label[i] == ignore_index)
          std::fill(to, to + classes, T{});
        else
          backward_row(factor, x + i * logits.stride(0), label[i], norm[i], classes, to);
      }
    });
  });
  return gradient;
}

Tensor cross_entropy_backward(const Tensor& dloss, double divisor, const Tensor& logits_any, const Tensor& labels,
                              const Tensor& log_sum_exp, int64_t ignore_index) {
  if constexpr (kHasCuda)
    if (logits_any.on_cuda()) {
      const Tensor logits = logits_any.contiguous(), label = cuda::on_device(labels.contiguous());
      Tensor gradient = Tensor::empty_like(logits);
      cuda::dispatch_device(kCrossEntropyOp, logits.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::cross_entropy_backward(dloss.device_data<float>(), divisor, logits.device_data<T>(),
                                     label.device_data<int64_t>(), log_sum_exp.device_data<double>(),
                                     gradient.mutable_device_data<T>(), logits.size(0), logits.size(1), ignore_index);
      });
      return gradient;
    }
  return cross_entropy_backward(dloss.item() / divisor, logits_any, labels, log_sum_exp, ignore_index);
}

}  // namespace tessera::ops
