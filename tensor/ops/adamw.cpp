#include "tensor/ops/adamw.h"

#include <algorithm>
#include <cmath>

#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

// The constants of one slice, in the arithmetic type. Both variants are
//   p ← (p · decay_before - rate · m / (√v · root_scale + ε)) · decay_after.
template <class T>
struct Constants {
  T beta1, beta2, one_minus_beta1, one_minus_beta2, eps, gradient_scale;
  T rate, root_scale, decay_before, decay_after;

  Constants(const AdamWStep& step, const AdamWSlice& slice)
      : beta1(T(step.beta1)),
        beta2(T(step.beta2)),
        one_minus_beta1(T(1 - step.beta1)),
        one_minus_beta2(T(1 - step.beta2)),
        eps(T(step.eps)),
        gradient_scale(T(step.gradient_scale)) {
    const auto t = static_cast<double>(step.number);
    const double correction1 = 1 - std::pow(step.beta1, t), correction2 = 1 - std::pow(step.beta2, t);
    const double decay = 1 - slice.learning_rate * slice.weight_decay;
    const bool is_torch = step.variant == AdamWVariant::torch;
    rate = T(slice.learning_rate / correction1 * (is_torch ? 1 : std::sqrt(correction2)));
    root_scale = T(is_torch ? 1 / std::sqrt(correction2) : 1);
    decay_before = T(is_torch ? decay : 1);
    decay_after = T(is_torch ? 1 : decay);
  }
};

// As fast as memory is (28 bytes for an f32 element). Measured, and no better: lines asked for ahead of time; worse, by 10 %:
// stores past the cache, since all that is written has just been read.
template <class T>
void update(T* __restrict p, const T* __restrict g, T* __restrict m, T* __restrict v, int64_t count,
            const Constants<T> c) {
  for (int64_t i = 0; i < count; ++i) {
    const T gradient = g[i] * c.gradient_scale;
    const T mean = c.beta1 * m[i] + c.one_minus_beta1 * gradient;
    const T square = c.beta2 * v[i] + c.one_minus_beta2 * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    p[i] = (p[i] * c.decay_before - c.rate * mean / (std::sqrt(square) * c.root_scale + c.eps)) * c.decay_after;
  }
}

}  // namespace

void adamw_(Tensor& values, const Tensor& gradients, Tensor& exp_avg, Tensor& exp_avg_sq,
            std::span<const AdamWSlice> slices, const AdamWStep& step) {
  for (const Tensor* other :
       {&gradients, static_cast<const Tensor*>(&exp_avg), static_cast<const Tensor*>(&exp_avg_sq)})
    check(other->shape() == values.shape() && other->dtype() == values.dtype() && other->is_contiguous(), "adamw: got ",
          describe(*other), ", expected contiguous ", describe(values));
  check(values.dim() == 1 && values.is_contiguous(), "adamw: values are ", describe(values),
        ", expected one dimension");
  check(step.number >= 1, "adamw: update number is ", step.number, ", expected at least 1");
  int64_t last = 0;
  for (const AdamWSlice& slice : slices) {
    check(slice.begin >= last && slice.begin <= slice.end && slice.end <= values.numel(), "adamw: slice [", slice.begin,
          ", ", slice.end, ") overlaps another or lies outside ", values.shape());
    last = slice.end;
  }
  dispatch_floating("adamw", values.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* p = values.mutable_data<T>();
    T* m = exp_avg.mutable_data<T>();
    T* v = exp_avg_sq.mutable_data<T>();
    const T* g = gradients.data<T>();
    parallel_for(last, 16384, [&](int64_t begin, int64_t end) {
      auto slice =
          std::partition_point(slices.begin(), slices.end(), [=](const AdamWSlice& s) { return s.end <= begin; });
      for (; slice != slices.end() && slice->begin < end; ++slice) {
        const int64_t from = std::max(begin, slice->begin), to = std::min(end, slice->end);
        update(p + from, g + from, m + from, v + from, to - from, Constants<T>(step, *slice));
      }
    });
  });
}

}  // namespace tessera::ops
