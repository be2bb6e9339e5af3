#include "tensor/ops/gru.h"

#include "tensor/cuda/dispatch.h"
#include "tensor/ops/accumulate.h"
#include "tensor/ops/gather_rows.h"
#include "tensor/ops/gru_kernels.h"
#include "tensor/ops/linear.h"
#include "tensor/parallel.h"
#include "tensor/simd/vector_math.h"

namespace tessera::ops {
namespace {

constexpr const char* kGruOp = "gru";
constexpr int64_t kCellWork = 16;  // what an element costs: three exponentials

void check_gru(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& h0, const GruSteps& steps) {
  check(input.defined() && weight.defined(), kGruOp, ": input or weight is undefined");
  const DType dtype = input.dtype();
  check(dtype == DType::f32 || (dtype == DType::f64 && !input.on_cuda()), kGruOp, ": dtype is ", dtype,
        input.on_cuda() ? ", expected f32 on a GPU" : ", expected f32 or f64");
  check(weight.dim() == 2 && weight.size(0) == 3 * weight.size(1) && weight.dtype() == dtype, kGruOp, ": weight is ",
        describe(weight), ", expected ", dtype, " [3 · hidden, hidden]");
  const int64_t hidden = weight.size(1), sequences = steps.sequence.numel();
  const Shape of_input{steps.token.numel(), 3 * hidden}, of_h0{sequences, hidden};
  check(input.shape() == of_input, kGruOp, ": input is ", describe(input), ", expected ", dtype, ' ', of_input);
  check(!bias.defined() || (bias.shape() == Shape{3 * hidden} && bias.dtype() == dtype), kGruOp, ": bias is ",
        describe(bias), ", expected ", dtype, " [", 3 * hidden, "]");
  check(!h0.defined() || (h0.shape() == of_h0 && h0.dtype() == dtype), kGruOp, ": h0 is ", describe(h0), ", expected ",
        dtype, ' ', of_h0);
}

Tensor gathered(std::initializer_list<Tensor> sources, const Tensor& index) {
  return gather_rows(kGruOp, std::span(sources.begin(), sources.size()), index);
}

// What a step works on: rows of the same sequences.
struct GruCell {
  Tensor gates;     // [rows, 3 hidden]: g, then r, z, n
  Tensor products;  // [rows, 3 hidden]: a
  Tensor hidden;    // [rows, hidden]: a_n
  Tensor before;    // [rows, hidden]: h
  Tensor after;     // [rows, hidden]: h'
};

template <class T>
void cell_row(T* __restrict gates, const T* __restrict products, T* __restrict hidden, const T* __restrict before,
              T* __restrict after, int64_t h) {
  for (int64_t j = 0; j < h; ++j) {
    const T r = vmath::sigmoid(gates[j] + products[j]);
    const T z = vmath::sigmoid(gates[h + j] + products[h + j]);
    const T a = products[2 * h + j];
    const T n = vmath::tanh(gates[2 * h + j] + r * a);
    hidden[j] = a;
    gates[j] = r;
    gates[h + j] = z;
    gates[2 * h + j] = n;
    after[j] = n + z * (before[j] - n);
  }
}

template <class F>
void dispatch_gru(DType dtype, F&& f) {
  if (dtype == DType::f64) return f(double{});
  f(float{});
}

void run_cell(GruCell& cell) {
  const int64_t rows = cell.after.size(0), h = cell.after.size(1);
  if constexpr (kHasCuda)
    if (cell.after.on_cuda())
      return cuda::gru_cell(cell.gates.mutable_device_data<float>(), cell.products.device_data<float>(),
                            cell.hidden.mutable_device_data<float>(), cell.before.device_data<float>(),
                            cell.after.mutable_device_data<float>(), rows, h);
  dispatch_gru(cell.after.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T *gates = cell.gates.mutable_data<T>(), *hidden = cell.hidden.mutable_data<T>();
    const T *products = cell.products.data<T>(), *before = cell.before.data<T>();
    T* after = cell.after.mutable_data<T>();
    parallel_for(rows, grain_for(kCellWork * h), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        cell_row(gates + 3 * i * h, products + 3 * i * h, hidden + i * h, before + i * h, after + i * h, h);
    });
  });
}

struct GruCellBackward {
  Tensor d_after;  // [rows, hidden]: from the output
  Tensor carry;    // [at least rows, hidden]: from the step behind; becomes dh' z
  Tensor product;  // [at most rows, hidden]: da W_hh of that step, or undefined
  Tensor gates, hidden, before;
  Tensor d_gates;     // [rows, 3 hidden]: dg
  Tensor d_products;  // [rows, 3 hidden]: da
};

template <class T>
void cell_row_backward(const T* __restrict d_after, T* __restrict carry, const T* __restrict product,
                       const T* __restrict gates, const T* __restrict hidden, const T* __restrict before,
                       T* __restrict d_gates, T* __restrict d_products, int64_t h) {
  for (int64_t j = 0; j < h; ++j) {
    const T r = gates[j], z = gates[h + j], n = gates[2 * h + j];
    const T dh = d_after[j] + carry[j] + (product ? product[j] : T{0});
    const T dn = dh * (1 - z) * (1 - n * n), dz = dh * (before[j] - n) * z * (1 - z);
    const T dr = dn * hidden[j] * r * (1 - r);
    d_gates[j] = d_products[j] = dr;
    d_gates[h + j] = d_products[h + j] = dz;
    d_gates[2 * h + j] = dn;
    d_products[2 * h + j] = dn * r;
    carry[j] = dh * z;
  }
}

void run_cell_backward(GruCellBackward& cell) {
  const int64_t rows = cell.d_after.size(0), h = cell.d_after.size(1);
  const int64_t carried = cell.product.defined() ? cell.product.size(0) : 0;
  if constexpr (kHasCuda)
    if (cell.d_after.on_cuda())
      return cuda::gru_cell_backward(cell.d_after.device_data<float>(), cell.carry.mutable_device_data<float>(),
                                     cuda::data_or_null<float>(cell.product), carried, cell.gates.device_data<float>(),
                                     cell.hidden.device_data<float>(), cell.before.device_data<float>(),
                                     cell.d_gates.mutable_device_data<float>(),
                                     cell.d_products.mutable_device_data<float>(), rows, h);
  dispatch_gru(cell.d_after.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *d_after = cell.d_after.data<T>(), *product = carried > 0 ? cell.product.data<T>() : nullptr;
    const T *gates = cell.gates.data<T>(), *hidden = cell.hidden.data<T>(), *before = cell.before.data<T>();
    T *carry = cell.carry.mutable_data<T>(), *d_gates = cell.d_gates.mutable_data<T>();
    T* d_products = cell.d_products.mutable_data<T>();
    parallel_for(rows, grain_for(kCellWork * h), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        cell_row_backward(d_after + i * h, carry + i * h, i < carried ? product + i * h : nullptr, gates + 3 * i * h,
                          hidden + i * h, before + i * h, d_gates + 3 * i * h, d_products + 3 * i * h, h);
    });
  });
}

}  // namespace

GruForward gru(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& h0, const GruSteps& steps) {
  check_gru(input, weight, bias, h0, steps);
  const int64_t tokens = input.size(0), h = weight.size(1), sequences = steps.sequence.numel();
  const DType dtype = input.dtype();
  const Device device = input.device();
  GruForward result{{},
                    {},
                    gathered({input}, steps.token),
                    Tensor::empty({tokens, h}, dtype, device),
                    Tensor::empty({tokens, h}, dtype, device),
                    h0.defined() ? h0.contiguous() : Tensor::zeros({sequences, h}, dtype, device)};
  const Tensor start = gathered({result.start}, steps.sequence);
  for (int64_t step = 0; step < steps.steps(); ++step) {
    const int64_t begin = steps.begins[static_cast<size_t>(step)], rows = steps.rows(step);
    const Tensor before = step == 0 ? start.narrow(0, 0, rows)
                                    : result.states.narrow(0, steps.begins[static_cast<size_t>(step) - 1], rows);
    GruCell cell{result.gates.narrow(0, begin, rows), linear(before, weight, bias),
                 result.hidden.narrow(0, begin, rows), before, result.states.narrow(0, begin, rows)};
    run_cell(cell);
  }
  result.output = gathered({result.states}, steps.row);
  result.last = gathered({result.start, result.states}, steps.last);
  return result;
}

GruGradients gru_backward(const Tensor& d_output, const Tensor& d_last, const GruForward& forward, const Tensor& weight,
                          const GruSteps& steps, ParameterGradients gradients) {
  const int64_t tokens = forward.states.size(0), h = weight.size(1), sequences = steps.sequence.numel();
  const DType dtype = weight.dtype();
  const Device device = weight.device();
  const Tensor d_states =
      d_output.defined() ? gathered({d_output}, steps.token) : Tensor::zeros({tokens, h}, dtype, device);
  const Tensor before = gathered({forward.start, forward.states}, steps.previous);
  // Of rows of which no step has been taken yet: what comes from the last state.
  Tensor carry = d_last.defined() ? gathered({d_last}, steps.sequence) : Tensor::zeros({sequences, h}, dtype, device);
  Tensor d_gates = Tensor::empty({tokens, 3 * h}, dtype, device);
  const Tensor d_products = Tensor::empty({tokens, 3 * h}, dtype, device);
  Tensor product;
  for (int64_t step = steps.steps() - 1; step >= 0; --step) {
    const int64_t begin = steps.begins[static_cast<size_t>(step)], rows = steps.rows(step);
    const auto of_step = [&](const Tensor& x) { return x.narrow(0, begin, rows); };
    GruCellBackward cell{of_step(d_states),       carry,           product,          of_step(forward.gates),
                         of_step(forward.hidden), of_step(before), of_step(d_gates), of_step(d_products)};
    run_cell_backward(cell);
    product = linear_data_gradient(cell.d_products, weight);
  }
  if (product.defined()) {
    Tensor first = carry.narrow(0, 0, product.size(0));
    accumulate_(first, product);
  }
  if (gradients.dweight.defined())
    linear_weight_gradient_(gradients.dweight, d_products, before, gradients.accumulate_weight);
  if (gradients.dbias.defined()) column_sums_(gradients.dbias, d_products, gradients.accumulate_bias);
  return {gathered({d_gates}, steps.row), gathered({carry}, steps.place)};
}

}  // namespace tessera::ops
