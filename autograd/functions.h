// Every differentiable op. Each group names the files that define it, on top of the kernels in the files of the same
// names in tensor/ops/, whose headers document shapes, formulas and gradients.
//
// f32, f64 and bf16; all inputs of a call have one dtype (no implicit promotion), index tensors are i64. In bf16 the
// arithmetic is f32, and each result and gradient is rounded once. But parameters (weights and biases of `linear`,
// `linear_gelu`, `mlp`, `conv2d`, the norms) and their gradients are f32 beside bf16 activations, and so are losses of
// bf16 logits and all targets of losses. `matmul`, `interpolate_rows` and optimal transport take f32 and f64 only.
#pragma once

#include <vector>

#include "autograd/variable.h"
#include "tensor/ops/activation_function.h"
#include "tensor/ops/ranking_hinge.h"
#include "tensor/ops/roi_align.h"
#include "tensor/ops/roi_pool.h"
#include "tensor/ops/window2d.h"
#include "tensor/philox.h"

namespace tessera {

// ---- elementwise, broadcasting (autograd/ops/elementwise.cpp) ----
Variable add(const Variable& a, const Variable& b);
Variable sub(const Variable& a, const Variable& b);
Variable mul(const Variable& a, const Variable& b);
Variable div(const Variable& a, const Variable& b);
Variable add(const Variable& a, double b);
Variable mul(const Variable& a, double b);
inline Variable operator+(const Variable& a, const Variable& b) { return add(a, b); }
inline Variable operator-(const Variable& a, const Variable& b) { return sub(a, b); }
inline Variable operator*(const Variable& a, const Variable& b) { return mul(a, b); }
inline Variable operator/(const Variable& a, const Variable& b) { return div(a, b); }
inline Variable operator+(const Variable& a, double b) { return add(a, b); }
inline Variable operator-(const Variable& a, double b) { return add(a, -b); }
inline Variable operator*(const Variable& a, double b) { return mul(a, b); }
inline Variable operator*(double a, const Variable& b) { return mul(b, a); }
inline Variable operator/(const Variable& a, double b) { return mul(a, 1 / b); }
inline Variable operator-(const Variable& a) { return mul(a, -1); }
Variable exp(const Variable& x);
Variable log(const Variable& x);
Variable sqrt(const Variable& x);
Variable square(const Variable& x);
Variable tanh(const Variable& x);
Variable sigmoid(const Variable& x);
Variable relu(const Variable& x);
Variable gelu(const Variable& x);        // exact: x Φ(x), with erf
Variable quick_gelu(const Variable& x);  // x σ(1.702 x)
Variable cast(const Variable& x, DType dtype);

// ---- shape (autograd/ops/shape.cpp) ----
Variable reshape(const Variable& x, const Shape& shape);
Variable permute(const Variable& x, std::initializer_list<int> order);
Variable transpose(const Variable& x, int a, int b);
Variable narrow(const Variable& x, int dimension, int64_t start, int64_t length);
Variable expand(const Variable& x, const Shape& shape);
Variable contiguous(const Variable& x);
Variable concatenate(const std::vector<Variable>& parts, int dimension);

// ---- reductions (autograd/ops/reduce.cpp) ----
Variable sum(const Variable& x);   // of all elements
Variable mean(const Variable& x);  // of all elements
Variable sum(const Variable& x, int dimension, bool keep = false);
Variable mean(const Variable& x, int dimension, bool keep = false);
Variable max(const Variable& x, int dimension, bool keep = false);  // the first of equal maxima gets the gradient

// ---- softmax (autograd/ops/softmax.cpp) ----
Variable softmax(const Variable& x);                             // over the last dimension
Variable masked_softmax(const Variable& x, const Tensor& mask);  // mask i64, 0 = excluded; broadcasts to x

// ---- matrix products (autograd/ops/matmul.cpp, linear.cpp, mlp.cpp) ----
// [..., m, k] · [..., k, n]; leading dimensions broadcast; transposed views are read in place.
Variable matmul(const Variable& a, const Variable& b);
// x [..., in], weight [out, in], bias [out] or undefined → [..., out].
Variable linear(const Variable& x, const Variable& weight, const Variable& bias);
// gelu(linear(x, weight, bias)) in one pass.
Variable linear_gelu(const Variable& x, const Variable& weight, const Variable& bias);
// linear(dropout(f(linear(x, weight1, bias1))), weight2, bias2), f the activation; of the hidden layer only its
// argument is kept.
Variable mlp(const Variable& x, const Variable& weight1, const Variable& bias1, const Variable& weight2,
             const Variable& bias2, double p = 0, const Ticket& ticket = {}, Activation activation = Activation::gelu);

// ---- normalisation and dropout (autograd/ops/layer_norm.cpp, l2_normalise.cpp, dropout.cpp) ----
Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps);
// x / max(|x|, eps) over the last dimension; with eps 0 a row of zeros becomes NaN.
Variable l2_normalise(const Variable& x, double eps = 1e-12);
// Keeps each element with probability 1 - p and divides it by 1 - p. The mask is a function of the ticket and the
// element's index in row-major order; p = 0 returns x.
Variable dropout(const Variable& x, double p, const Ticket& ticket);
struct AddLayerNorm {
  Variable sum;         // residual + dropout(x)
  Variable normalised;  // layer_norm(sum)
};
AddLayerNorm dropout_add_layer_norm(const Variable& x, const Variable& residual, const Variable& weight,
                                    const Variable& bias, double eps, double p, const Ticket& ticket);

// ---- pictures, channels first: [n, channels, height, width] (autograd/ops/conv2d.cpp, pool2d.cpp, batch_norm.cpp)
// ---- weight [out, channels / groups, kernel height, kernel width], bias [out] or undefined → [n, out, height, width]
// of the windows (tensor/ops/window2d.h).
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, const Conv2dSettings& settings = {});
Variable max_pool2d(const Variable& x, const Pool2dSettings& settings);  // the first of equal maxima gets the gradient
Variable avg_pool2d(const Variable& x, const Pool2dSettings& settings);
Variable adaptive_avg_pool2d(const Variable& x, Size2d output);
// Of each channel, [channels].
struct RunningStatistics {
  Tensor mean, variance;
};
// x [n, channels, ...], normalised by each channel's mean and biased variance in this batch. `running`, where given,
// moves by `momentum` towards them, its variance towards the unbiased one.
Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps,
                    RunningStatistics* running = nullptr, double momentum = 0.1);
// The same by statistics that are constants.
Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias, const RunningStatistics& given,
                    double eps);

// ---- rows (autograd/ops/gather_rows.cpp) ----
// table [rows, d], ids i64 of any shape → [ids..., d].
Variable embedding(const Variable& table, const Tensor& ids);
// Row index[i] of the sources laid one after another: sources [n_k, d], index i64 [n] → [n, d].
Variable gather_rows(const std::vector<Variable>& sources, const Tensor& index);
// out[i] = Σ_k weight[i, k] · table[index[i, k]]: table [rows, d], index i64 [n, taps], weight [n, taps] → [n, d].
Variable interpolate_rows(const Variable& table, const Tensor& index, const Tensor& weight);
// dropout(gather_rows(sources, index)) + embedding(type_table, types) in one pass, in `dtype`: that of the tables, or
// bf16 for f32 tables, whose gradients stay f32 (autograd/ops/embed_tokens.cpp). index and types i64 [n] → [n, d].
Variable embed_tokens(const std::vector<Variable>& sources, const Tensor& index, const Variable& type_table,
                      const Tensor& types, double p, const Ticket& ticket, DType dtype);

// ---- attention (autograd/ops/attention.cpp) ----
// Sequences lie packed; cu_seqlens i64 [sequences + 1] marks where each begins. scale = head size ^ -1/2.
// q [query tokens, heads · head size], k and v [key tokens, heads · head size]. With `causal`, query i of a sequence
// sees keys 0 .. i + (keys - queries). p: dropout of the probabilities (tensor/ops/attention/attention.h says which).
Variable attention(const Variable& q, const Variable& k, const Variable& v, const Tensor& cu_queries,
                   const Tensor& cu_keys, int64_t heads, bool causal = false, double p = 0, const Ticket& ticket = {});
// Self-attention on a fused projection qkv [tokens, 3 · heads · head size]: q, k and v side by side.
Variable self_attention(const Variable& qkv, const Tensor& cu_seqlens, int64_t heads, bool causal = false, double p = 0,
                        const Ticket& ticket = {});
// Attention of q to the fused projection kv [key tokens, 2 · heads · head size] of other sequences: k and v side by
// side.
Variable cross_attention(const Variable& q, const Variable& kv, const Tensor& cu_queries, const Tensor& cu_keys,
                         int64_t heads, double p = 0, const Ticket& ticket = {});

// ---- regions (autograd/ops/roi_align.cpp, roi_pool.cpp) ----
// features [images, channels, height, width], rois f32 or f64 [rois, 5] on the host: image, x1, y1, x2, y2 in pixels
// → [rois, channels, options.height, options.width]. Regions are constants.
Variable roi_align(const Variable& features, const Tensor& rois, const ops::RoiAlignOptions& options);
Variable roi_pool(const Variable& features, const Tensor& rois, const ops::RoiPoolOptions& options);

// ---- recurrence (autograd/ops/gru.cpp) ----
struct Gru {
  Variable output;  // [tokens, hidden]: the state after each token
  Variable last;    // [sequences, hidden]: the state after all of a sequence's tokens; of an empty one h0
};
// x [tokens, input] packed, weight_ih [3 hidden, input], weight_hh [3 hidden, hidden], biases [3 hidden] or undefined,
// gates in torch's order (reset, update, new); h0 [sequences, hidden], zeros if undefined. `reverse` goes through each
// sequence from its own last token to its first. f32 and f64.
Gru gru(const Variable& x, const Variable& weight_ih, const Variable& weight_hh, const Variable& bias_ih,
        const Variable& bias_hh, const Tensor& cu_seqlens, const Variable& h0 = {}, bool reverse = false);

// ---- losses (autograd/ops/cross_entropy.cpp, soft_cross_entropy.cpp, regression_loss.cpp) ----
enum class Reduction : uint8_t { mean, sum };
// logits [n, classes], labels i64 [n]; rows whose label is `ignore_index` do not count. mean: over the rows that count
// (0 if there is none).
Variable cross_entropy(const Variable& logits, const Tensor& labels, Reduction reduction = Reduction::mean,
                       int64_t ignore_index = -100);
// Elementwise binary cross-entropy; targets in [0, 1], logits' shape. mean: over all elements.
Variable bce_with_logits(const Variable& logits, const Tensor& targets, Reduction reduction = Reduction::mean);
// Cross-entropy of logits [n, classes] with target distributions of their shape, and the Kullback-Leibler divergence
// Σ t (log t - log softmax(logits)) (autograd/ops/soft_cross_entropy.cpp). mean: over the rows.
Variable soft_cross_entropy(const Variable& logits, const Tensor& targets, Reduction reduction = Reduction::mean);
Variable kl_div(const Variable& logits, const Tensor& targets, Reduction reduction = Reduction::mean);
// (1 - smoothing) · cross_entropy + smoothing · the cross-entropy with equal targets 1 / classes.
Variable label_smoothing_cross_entropy(const Variable& logits, const Tensor& labels, double smoothing,
                                       Reduction reduction = Reduction::mean, int64_t ignore_index = -100);
// Elementwise d², |d| and smooth L1 of d = x - targets (autograd/ops/regression_loss.cpp). mean: over all elements.
Variable mse_loss(const Variable& x, const Tensor& targets, Reduction reduction = Reduction::mean);
Variable l1_loss(const Variable& x, const Tensor& targets, Reduction reduction = Reduction::mean);
Variable smooth_l1_loss(const Variable& x, const Tensor& targets, double beta = 1,
                        Reduction reduction = Reduction::mean);

// ---- losses of pairs (autograd/ops/contrastive.cpp, ranking_hinge.cpp) ----
// CLIP's: e^log_scale · images textsᵀ of rows of unit length, images [m, d] and texts [n, d], log_scale one number.
Variable contrastive_logits(const Variable& images, const Variable& texts, const Variable& log_scale);
// The mean of the cross-entropies of its rows and of its columns; row i of images [n, d] belongs to row i of texts. f32
// and f64; between similarities and loss all is f64. A batch of one pair costs 0 and trains nothing. The scale is taken
// as it is: whoever trains it holds it to its range, after each update.
Variable contrastive_loss(const Variable& images, const Variable& texts, const Variable& log_scale);
// The hinges of VSE++ on similarities [n, n] with the pairs on the diagonal, summed: max(0, margin + S_ij - S_ii) and
// max(0, margin + S_ij - S_jj) over all i ≠ j, or only the largest of each row and of each column.
Variable ranking_hinge_loss(const Variable& similarity, double margin, ops::Negatives negatives);

// ---- optimal transport (autograd/ops/cosine_cost.cpp) ----
// 1 - cosine of every row of x [m, d] with every row of y [n, d] → [m, n]; norms are floored at eps.
Variable cosine_cost(const Variable& x, const Variable& y, double eps = 1e-5);
// The same for ragged pairs: sample s has rows cu_x[s] .. cu_x[s+1] of x and cu_y[s] .. of y. Result flat
// [Σ_s m_s n_s], the [m_s, n_s] matrices one after another.
Variable cosine_cost(const Variable& x, const Variable& y, const Tensor& cu_x, const Tensor& cu_y, double eps = 1e-5);
// Σ_ij plan_ij cost_ij of each ragged sample → [samples]. The plan (ops::ipot, laid out as the cost) is a constant.
Variable transport_distance(const Variable& cost, const Tensor& plan, const Tensor& cu_x, const Tensor& cu_y);

}  // namespace tessera
