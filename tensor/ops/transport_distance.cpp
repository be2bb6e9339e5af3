#include "tensor/ops/transport_distance.h"

#include <vector>

#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/ragged.h"
#include "tensor/ops/transport_distance_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

constexpr const char* kTransportDistanceOp = "transport_distance";

std::vector<int64_t> check_plan(const Tensor& cost, const Tensor& plan, const Tensor& cu_x, const Tensor& cu_y) {
  const auto rows = check_marks(kTransportDistanceOp, "cu_x", cu_x),
             columns = check_marks(kTransportDistanceOp, "cu_y", cu_y);
  check(rows.size() == columns.size(), kTransportDistanceOp, ": cu_x marks ", rows.size() - 1, " samples, cu_y ",
        columns.size() - 1);
  std::vector<int64_t> offsets = matrix_offsets(rows, columns);
  check(cost.numel() == offsets.back(), kTransportDistanceOp, ": cost is ", describe(cost), ", expected ",
        offsets.back(), " elements");
  check(plan.defined() && plan.numel() == cost.numel() && plan.dtype() == cost.dtype(), kTransportDistanceOp,
        ": plan is ", describe(plan), ", expected ", describe(cost));
  return offsets;
}

}  // namespace

Tensor transport_distance(const Tensor& cost_any, const Tensor& plan_any, const Tensor& cu_x, const Tensor& cu_y) {
  const std::vector<int64_t> offsets = check_plan(cost_any, plan_any, cu_x, cu_y);
  const Tensor cost = cost_any.contiguous(), plan = plan_any.contiguous();
  const int64_t samples = static_cast<int64_t>(offsets.size()) - 1;
  Tensor distance = Tensor::empty({samples}, cost.dtype(), cost.device());
  if constexpr (kHasCuda)
    if (cost.on_cuda()) {
      const Tensor starts = cuda::offsets_on_device(cu_x, cu_y, offsets);
      dispatch_floating(kTransportDistanceOp, cost.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::transport_distance(cost.device_data<T>(), plan.device_data<T>(), starts.device_data<int64_t>(),
                                 distance.mutable_device_data<T>(), samples);
      });
      return distance;
    }
  dispatch_floating(kTransportDistanceOp, cost.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *c = cost.data<T>(), *t = plan.data<T>();
    T* out = distance.mutable_data<T>();
    parallel_for(samples, 8, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        // In f64: losses are small differences of distances.
        double total = 0;
        for (int64_t i = offsets[static_cast<size_t>(s)]; i < offsets[static_cast<size_t>(s) + 1]; ++i)
          total += static_cast<double>(c[i]) * static_cast<double>(t[i]);
        out[s] = static_cast<T>(total);
      }
    });
  });
  return distance;
}

Tensor transport_distance_backward(const Tensor& ddistance, const Tensor& plan_any, const Tensor& cu_x,
                                   const Tensor& cu_y) {
  const Tensor plan = plan_any.contiguous();
  const std::vector<int64_t> offsets = check_plan(plan, plan, cu_x, cu_y);
  Tensor dcost = Tensor::empty_like(plan);
  if constexpr (kHasCuda)
    if (plan.on_cuda()) {
      const Tensor starts = cuda::offsets_on_device(cu_x, cu_y, offsets), gradient = ddistance.contiguous();
      dispatch_floating(kTransportDistanceOp, plan.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::transport_distance_backward(gradient.device_data<T>(), plan.device_data<T>(),
                                          starts.device_data<int64_t>(), dcost.mutable_device_data<T>(),
                                          static_cast<int64_t>(offsets.size()) - 1, longest(offsets));
      });
      return dcost;
    }
  dispatch_floating(kTransportDistanceOp, plan.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *t = plan.data<T>(), *d = ddistance.data<T>();
    T* to = dcost.mutable_data<T>();
    parallel_for(static_cast<int64_t>(offsets.size()) - 1, 8, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s)
        for (int64_t i = offsets[static_cast<size_t>(s)]; i < offsets[static_cast<size_t>(s) + 1]; ++i)
          to[i] = d[s] * t[i];
    });
  });
  return dcost;
}

}  // namespace tessera::ops
