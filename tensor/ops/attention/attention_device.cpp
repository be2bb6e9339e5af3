#include "tensor/ops/attention/attention_device.h"

#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/attention/attention_kernels.h"

namespace tessera::cuda {
namespace {

using ops::attention_detail::Sizes;

// The third dimension of a grid.
void check_sequences(const char* op, int64_t sequences) {
  check(sequences <= 65535, op, ": ", sequences, " sequences in a batch, expected at most 65535 on a GPU");
}

int64_t longest(std::span<const int64_t> marks) {
  int64_t most = 0;
  for (size_t s = 1; s < marks.size(); ++s) most = std::max(most, marks[s] - marks[s - 1]);
  return most;
}

// The problem as kernels want it. Holds the marks' copies on the device.
struct Problem {
  Tensor cu_queries, cu_keys;
  AttentionSizes sizes;

  Problem(const Sizes& host, const AttentionMarks& marks)
      : cu_queries(on_device(marks.queries)),
        cu_keys(on_device(marks.keys)),
        sizes{cu_queries.device_data<int64_t>(),
              cu_keys.device_data<int64_t>(),
              host.sequences(),
              host.cu_queries.back(),
              longest(host.cu_queries),
              longest(host.cu_keys),
              host.heads,
              host.head_size,
              host.causal,
              host.dropout.p(),
              host.dropout.ticket()} {
    check_sequences("attention", sizes.sequences);
  }
};

template <class T>
AttentionRows<const T> rows_of(const Tensor& x) {
  return {x.device_data<T>(), x.stride(0)};
}
template <class T>
AttentionRows<T> rows_to(Tensor& x) {
  return {x.mutable_device_data<T>(), x.stride(0)};
}

}  // namespace

void attention_forward(const Sizes& sizes, const AttentionMarks& marks, const Tensor& q, const Tensor& k,
                       const Tensor& v, ops::AttentionResult& result) {
  dispatch_device("attention", q.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const Problem problem(sizes, marks);
    attention<T>(rows_of<T>(q), rows_of<T>(k), rows_of<T>(v), rows_to<T>(result.out),
                 result.log_sum_exp.mutable_device_data<float>(), problem.sizes);
  });
}

void attention_gradients(const Sizes& sizes, const AttentionMarks& marks, const Tensor& dout, const Tensor& q,
                         const Tensor& k, const Tensor& v, const ops::AttentionResult& forward,
                         const AttentionGradients& gradients) {
  dispatch_device("attention", q.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const Problem problem(sizes, marks);
    Tensor row_dots = Tensor::empty({q.size(0), sizes.heads}, DType::f32, q.device());
    attention_backward<T>(rows_of<T>(dout), rows_of<T>(q), rows_of<T>(k), rows_of<T>(v), rows_of<T>(forward.out),
                          forward.log_sum_exp.device_data<float>(), rows_to<T>(gradients.dq), rows_to<T>(gradients.dk),
                          rows_to<T>(gradients.dv), row_dots.mutable_device_data<float>(), problem.sizes);
  });
}

void attention_weights(const Tensor& qkv, const Tensor& cu_seqlens, std::span<const int64_t> marks,
                       std::span<const int64_t> offsets, int64_t heads, int64_t head, Tensor& weights) {
  constexpr const char* kAttentionDeviceOp = "attention_weights";
  dispatch_device(kAttentionDeviceOp, qkv.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const auto sequences = static_cast<int64_t>(marks.size()) - 1;
    check_sequences(kAttentionDeviceOp, sequences);
    const Tensor device_marks = on_device(cu_seqlens);
    const Tensor device_offsets = Tensor::from(offsets, {static_cast<int64_t>(offsets.size())}).to(qkv.device());
    const AttentionRows<const T> q = rows_of<T>(qkv), k{q.data + qkv.size(1) / 3, q.stride};
    attention_weights<T>(q, k, weights.mutable_device_data<float>(),
                         {device_marks.device_data<int64_t>(), device_offsets.device_data<int64_t>(), sequences,
                          longest(marks), qkv.size(1) / (3 * heads), head < 0 ? 0 : head, head < 0 ? heads : 1});
  });
}

}  // namespace tessera::cuda
