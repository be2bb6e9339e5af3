// One AdamW update (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019) of parameters that lie
// in a flat arena, in one pass. With g the scaled gradient and t the number of this update, counted from 1:
//
//   m ← β1 m + (1 - β1) g            v ← β2 v + (1 - β2) g²            c1 = 1 - β1^t,  c2 = 1 - β2^t
//
//   torch (torch.optim.AdamW):       p ← p (1 - lr·wd);  p ← p - lr / c1 · m / (√v / √c2 + ε)
//   transformers (its old AdamW):    p ← p - lr √c2 / c1 · m / (√v + ε);  p ← p - lr·wd·p, with the updated p
//
// The two differ in ε, which transformers adds before the correction of v, so that it counts 1/√c2 times as much, and
// in whether the decay sees the update.
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace tessera::ops {

enum class AdamWVariant : uint8_t { torch, transformers };

struct AdamWStep {
  AdamWVariant variant = AdamWVariant::torch;
  double beta1 = 0.9, beta2 = 0.98, eps = 1e-8;
  int64_t number = 1;         // t
  double gradient_scale = 1;  // the gradient is multiplied by it: clip factor / loss divisor
  // On a GPU: a further factor that lies there, f32 [1]; if it is not finite, nothing is updated. May be undefined.
  Tensor device_scale = {};
};

// Elements [begin, end) of the arenas with their rate and decay.
struct AdamWSlice {
  int64_t begin = 0, end = 0;
  double learning_rate = 0, weight_decay = 0;
};

// values, gradients, exp_avg (m) and exp_avg_sq (v): flat, contiguous, one dtype (f32 or f64) and length. Slices are
// ascending and disjoint; elements outside of them are left alone. The result does not depend on how elements are cut
// into slices, nor on the number of threads.
//
// `parameters`: the tensors that lie in `values` and are updated, ascending, each a root of its own. The packed copies
// of them that have been used since the last update (tensor/gemm/packed/weight_copies.h) are written in the same pass
// and are as of the new version; the others are dropped. All versions grow.
//
// On a GPU (f32 alone) nothing is waited for.
void adamw_(Tensor& values, const Tensor& gradients, Tensor& exp_avg, Tensor& exp_avg_sq,
            std::span<const AdamWSlice> slices, const AdamWStep& step, std::span<Tensor> parameters = {});

}  // namespace tessera::ops
