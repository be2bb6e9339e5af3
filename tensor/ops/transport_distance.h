// The transport distance of each sample: what moving the plan's mass costs. Costs and plans are flat, as of
// cosine_cost.h and ipot.h. On a GPU the marks lie on the host.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

// Σ_ij plan_ij cost_ij of each sample → [samples]; f32 or f64.
Tensor transport_distance(const Tensor& cost, const Tensor& plan, const Tensor& cu_x, const Tensor& cu_y);
// dcost = ddistance_s · plan.
Tensor transport_distance_backward(const Tensor& ddistance, const Tensor& plan, const Tensor& cu_x, const Tensor& cu_y);

}  // namespace tessera::ops
