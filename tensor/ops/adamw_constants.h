// The constants of one AdamW update, which the kernels of tensor/ops/adamw.cpp and adamw.cu share.
#pragma once

#include <cmath>

#include "tensor/ops/adamw.h"

namespace tessera::ops {

// Of one slice, in the arithmetic type. Both variants are
//   p ← (p · decay_before - rate · m / (√v · root_scale + ε)) · decay_after.
template <class T>
struct AdamWConstants {
  T beta1, beta2, one_minus_beta1, one_minus_beta2, eps, gradient_scale;
  T rate, root_scale, decay_before, decay_after;

  AdamWConstants(const AdamWStep& step, const AdamWSlice& slice)
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

}  // namespace tessera::ops
