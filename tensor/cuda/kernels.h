// Entry points of the CUDA kernels, the same for the GPU and for the emulation. Formulas and shapes are those of the
// ops' headers, beside which the kernels lie: tensor/ops/layer_norm.cu belongs to tensor/ops/layer_norm.h. Here tensors
// are pointers to row-major arrays in the GPU's memory; nothing is checked but what a kernel cannot do.
//
// T is float or bf16. Parameters, statistics and gradients of parameters are f32, arithmetic is f32, and a result is
// rounded once, when it is stored. Nothing depends on the order in which threads or blocks run. A workspace may be
// overwritten.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/cuda/row_segments.h"
#include "tensor/dtype.h"
#include "tensor/philox.h"

namespace tessera::ops {
template <class T>
struct AdamWConstants;
}  // namespace tessera::ops

namespace tessera::cuda {

// Where the gradients of a weight and a bias go, [d] each: null = not needed; added to or overwritten.
struct ParameterTargets {
  float *dweight = nullptr, *dbias = nullptr;
  bool accumulate_weight = false, accumulate_bias = false;
};
// f32 elements of workspace for the gradients of a weight and a bias [d] that are summed over rows.
int64_t parameter_workspace(int64_t rows, int64_t d);

// x, y [rows, d], weight, bias [d], mean [rows, 2], rstd [rows].
template <class T>
void layer_norm(const T* x, const float* weight, const float* bias, T* y, float* mean, float* rstd, int64_t rows,
                int64_t d, float eps);
template <class T>
void layer_norm_backward(const T* dy, const T* x, const float* weight, const float* mean, const float* rstd, T* dx,
                         const ParameterTargets& targets, float* workspace, int64_t rows, int64_t d);

// x, residual, sum, normalised [rows, d]; the rest as of layer_norm.
template <class T>
void dropout_add_layer_norm(const T* x, const T* residual, const float* weight, const float* bias, T* sum,
                            T* normalised, float* mean, float* rstd, int64_t rows, int64_t d, float eps, double p,
                            const Ticket& ticket);
// d_sum may be null; dx is not touched if p = 0 (it is d_residual then). d_normalised is needed: without it d_residual
// is d_sum, and dx dropout(d_sum).
template <class T>
void dropout_add_layer_norm_backward(const T* d_sum, const T* d_normalised, const T* sum, const float* weight,
                                     const float* mean, const float* rstd, T* dx, T* d_residual,
                                     const ParameterTargets& targets, float* workspace, int64_t rows, int64_t d,
                                     double p, const Ticket& ticket);

// Elementwise, [count]; results may overwrite inputs. With p = 0 nothing is dropped.
template <class T>
void add(const T* a, const T* b, T* y, int64_t count);
template <class T>
void dropout(const T* x, T* y, int64_t count, double p, const Ticket& ticket);
// dropout(gelu(x)), and its gradient.
template <class T>
void gelu_dropout(const T* x, T* y, int64_t count, double p, const Ticket& ticket);
template <class T>
void gelu_dropout_backward(const T* dy, const T* x, T* dx, int64_t count, double p, const Ticket& ticket);

// x, y [rows, n].
template <class T>
void softmax(const T* x, T* y, int64_t rows, int64_t n);
// Where the mask of each row of x lies: the dimensions of x outside the row, and the distances of elements of the mask
// along them; `step` between neighbours in a row. 0 where it is broadcast.
struct MaskLayout {
  static constexpr int kMost = 8;
  int dims = 0;
  int64_t sizes[kMost] = {}, strides[kMost] = {}, step = 0;
};
template <class T>
void masked_softmax(const T* x, const int64_t* mask, const MaskLayout& layout, T* y, int64_t rows, int64_t n);
template <class T>
void softmax_backward(const T* dy, const T* y, T* dx, int64_t rows, int64_t n);

// Rows `stride` elements apart, so that q, k and v may be parts of one fused projection.
template <class T>
struct AttentionRows {
  T* data;
  int64_t stride;
};

// cu_queries and cu_keys [sequences + 1] lie on the device; the largest lengths and the number of query tokens are the
// host's.
struct AttentionSizes {
  const int64_t *cu_queries, *cu_keys;
  int64_t sequences, query_tokens, most_queries, most_keys;
  int64_t heads, head_size;  // head_size <= 128
  bool causal;
};

// q, out [query tokens, heads · head_size], k, v [key tokens, ...], log_sum_exp [query tokens, heads].
template <class T>
void attention(AttentionRows<const T> q, AttentionRows<const T> k, AttentionRows<const T> v, AttentionRows<T> out,
               float* log_sum_exp, const AttentionSizes& sizes);
// row_dots [query tokens, heads] is workspace. In bf16 the tensor cores take what they can and round probabilities and
// their gradients (tensor/ops/attention/attention_kernels.h, which names both kernels); the plain kernels round neither.
template <class T>
void attention_backward(AttentionRows<const T> dout, AttentionRows<const T> q, AttentionRows<const T> k,
                        AttentionRows<const T> v, AttentionRows<const T> out, const float* log_sum_exp,
                        AttentionRows<T> dq, AttentionRows<T> dk, AttentionRows<T> dv, float* row_dots,
                        const AttentionSizes& sizes);

// Elements begin .. begin + count - 1 of the arenas, with the constants of a slice. copy: where those values go rounded
// to bf16, or null.
struct AdamWPiece {
  int64_t begin;
  bf16* copy;
  int32_t count, slice;
};
// values, gradients, exp_avg, exp_avg_sq are arenas; pieces and constants (one for each slice) lie on the device.
// gradient_scale (may be null) multiplies the gradient; if it is not finite, nothing is written.
void adamw(float* values, const float* gradients, float* exp_avg, float* exp_avg_sq, const AdamWPiece* pieces,
           int64_t piece_count, const ops::AdamWConstants<float>* constants, const float* gradient_scale);

// Tables [rows[k], width] laid one after another; the first without data ends the list.
template <class T>
struct RowTables {
  static constexpr int kMost = 8;
  const T* data[kMost] = {};
  int64_t rows[kMost] = {};
};
// out [entries, width] = the tables' rows index[0 .. entries).
template <class T>
void gather_rows(const RowTables<T>& tables, const int64_t* index, T* out, int64_t entries, int64_t width);
// index, weight [entries, taps].
void interpolate_rows(const float* table, const int64_t* index, const float* weight, float* out, int64_t entries,
                      int64_t taps, int64_t width);

// gradient [rows, width] of G = T or f32: Σ weight[e] · dropout(dout)[e / taps] over the entries e of each row; weight
// may be null. dout [entries / taps, width]. workspace: f32 [segments.piece_count, width].
template <class T, class G>
void scatter_rows(const T* dout, const RowSegments& segments, const float* weight, int64_t taps, G* gradient,
                  float* workspace, int64_t rows, int64_t width, bool accumulate, double p, const Ticket& ticket);

// y [tokens, width] of f32 or bf16; index, types [tokens]; type_table [types, width].
template <class Y>
void embed_tokens(const RowTables<float>& sources, const int64_t* index, const float* type_table, const int64_t* types,
                  Y* y, int64_t tokens, int64_t width, double p, const Ticket& ticket);


}  // namespace tessera::cuda
