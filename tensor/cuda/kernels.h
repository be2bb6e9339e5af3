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

#include "tensor/dtype.h"
#include "tensor/philox.h"

namespace tessera::ops {
struct AdamWSlice;
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
template <class T>
void softmax_backward(const T* dy, const T* y, T* dx, int64_t rows, int64_t n);

// logits [rows, classes], labels [rows], each below `classes` or ignore_index; log_sum_exp [rows] (not written in rows
// that do not count), losses [rows] (workspace), loss and counted [1].
template <class T>
void cross_entropy(const T* logits, const int64_t* labels, double* log_sum_exp, double* losses, float* loss,
                   int64_t* counted, int64_t rows, int64_t classes, bool mean, int64_t ignore_index);
// dx may be logits.
template <class T>
void cross_entropy_backward(double factor, const T* logits, const int64_t* labels, const double* log_sum_exp, T* dx,
                            int64_t rows, int64_t classes, int64_t ignore_index);

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
// row_dots [query tokens, heads] is workspace. Probabilities and their gradients are not rounded to bf16.
template <class T>
void attention_backward(AttentionRows<const T> dout, AttentionRows<const T> q, AttentionRows<const T> k,
                        AttentionRows<const T> v, AttentionRows<const T> out, const float* log_sum_exp,
                        AttentionRows<T> dq, AttentionRows<T> dk, AttentionRows<T> dv, float* row_dots,
                        const AttentionSizes& sizes);

// Elements begin .. begin + count - 1 of the arenas, with the constants of a slice.
struct AdamWPiece {
  int64_t begin;
  int32_t count, slice;
};
std::vector<AdamWPiece> adamw_pieces(std::span<const ops::AdamWSlice> slices);  // on the host
// values, gradients, exp_avg, exp_avg_sq and `copy` (may be null; values rounded to bf16) are arenas; pieces and
// constants (one for each slice) lie on the device.
void adamw(float* values, const float* gradients, float* exp_avg, float* exp_avg_sq, bf16* copy,
           const AdamWPiece* pieces, int64_t piece_count, const ops::AdamWConstants<float>* constants);

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

// The entries of `index` by the row that they point to: those of row r are order[starts[r]] .. order[starts[r + 1] -
// 1], in their own order. Sorted on the host, where index tables are made.
struct SortedEntries {
  std::vector<int64_t> starts, order;
};
SortedEntries sort_entries(std::span<const int64_t> index, int64_t rows);
// The same on the device, and the first row of the table whose gradient is wanted.
struct RowSegments {
  const int64_t *starts, *order;
  int64_t first_row = 0;
};
// gradient [rows, width] of G = T or f32: Σ weight[e] · dropout(dout)[e / taps] over the entries e of each row; weight
// may be null. dout [entries / taps, width].
template <class T, class G>
void scatter_rows(const T* dout, const RowSegments& segments, const float* weight, int64_t taps, G* gradient,
                  int64_t rows, int64_t width, bool accumulate, double p, const Ticket& ticket);

// y [tokens, width] of f32 or bf16; index, types [tokens]; type_table [types, width].
template <class Y>
void embed_tokens(const RowTables<float>& sources, const int64_t* index, const float* type_table, const int64_t* types,
                  Y* y, int64_t tokens, int64_t width, double p, const Ticket& ticket);

// cu_rows, cu_columns, offsets [count + 1] (where each matrix begins), cost and marginals (null: uniform) lie on the
// device; the largest sizes of one sample are the host's.
struct IpotSamples {
  const float *cost, *row_marginals, *column_marginals;
  const int64_t *cu_rows, *cu_columns, *offsets;
  int64_t count, most_rows, most_columns, most_cells;
};
bool ipot_fits_shared_memory(const IpotSamples& samples);
// plan as cost. workspace32: null if it fits shared memory; it and workspace64 are of twice the cost's size. Where beta
// is too small even for f64, failed [1] becomes the largest number of such a sample, counted from 1, and its plan is
// not written.
void ipot(const IpotSamples& samples, float* plan, double beta, int64_t iterations, float* workspace32,
          double* workspace64, int* failed);

}  // namespace tessera::cuda
