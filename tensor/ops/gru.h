// The recurrence of a gated recurrent unit (Cho et al., 2014) over packed sequences, in torch's form and order of gates
// (r, z, n: reset, update, new):
//
//   r = σ(g_r + a_r),  z = σ(g_z + a_z),  n = tanh(g_n + r ⊙ a_n),  h' = (1 - z) ⊙ n + z ⊙ h
//
//   g = [g_r | g_z | g_n]   what comes from the input, x W_ihᵀ + b_ih: one product for all tokens, made by the caller
//   a = [a_r | a_z | a_n] = h W_hhᵀ + b_hh,  W_hh [3 hidden, hidden], b_hh [3 hidden] or undefined
//
// Steps are taken for all sequences that are still alive at once. Sequences are sorted by falling length, so that those
// are the first n_t, and everything is kept by steps: the rows of step t lie together, and the states that step t + 1
// starts from are the first n_{t+1} rows of step t. `reverse`: each sequence from its own last token to its first.
//
// Gradient, with dh' the gradient of h' from its output and from the step behind it, a hat being the gradient of what a
// gate's function is applied to:
//
//   n̂ = dh' (1 - z)(1 - n²),  ẑ = dh' (h - n) z (1 - z),  r̂ = n̂ a_n r (1 - r)
//   dg = [r̂ | ẑ | n̂],  da = [r̂ | ẑ | n̂ r],  dh = dh' z + da W_hh
//   dW_hh = Σ daᵀ h,  db_hh = Σ da,  over all tokens: one product and one sum at the end.
//
// f32 and f64 (on a GPU f32). Marks lie on the host.
#pragma once

#include "tensor/ops/parameter_gradients.h"
#include "tensor/tensor.h"

namespace tessera::ops {

// Where the rows of steps lie; made of the marks alone.
struct GruSteps {
  std::vector<int64_t> begins;  // [steps + 1]: of the rows of each step
  Tensor token;                 // i64 [tokens]: of each row
  Tensor row;                   // i64 [tokens]: of each token
  Tensor sequence;              // i64 [sequences]: by falling length
  Tensor place;                 // i64 [sequences]: of each sequence in that order
  Tensor previous;              // i64 [tokens]: for each row, the state before it among [h0 | rows]
  Tensor last;                  // i64 [sequences]: the last state of each, likewise

  // cu_seqlens i64 [sequences + 1], ending at `tokens`.
  GruSteps(const Tensor& cu_seqlens, int64_t tokens, bool reverse);
  int64_t steps() const { return static_cast<int64_t>(begins.size()) - 1; }
  int64_t rows(int64_t step) const;  // n_t
};

struct GruForward {
  Tensor output;  // [tokens, hidden], packed as the input
  Tensor last;    // [sequences, hidden]: the state after all steps; of an empty sequence h0
  // For backward, by steps:
  Tensor gates;   // [tokens, 3 hidden]: r, z, n
  Tensor hidden;  // [tokens, hidden]: a_n
  Tensor states;  // [tokens, hidden]: h'
  Tensor start;   // [sequences, hidden]: h0, zeros if it is undefined, in the caller's order
};

// input [tokens, 3 hidden] is g; h0 [sequences, hidden] or undefined (zeros).
GruForward gru(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& h0, const GruSteps& steps);

struct GruGradients {
  Tensor d_input;  // [tokens, 3 hidden]
  Tensor dh0;      // [sequences, hidden]
};
// Either incoming gradient may be undefined. The gradients of weight and bias go to their places.
GruGradients gru_backward(const Tensor& d_output, const Tensor& d_last, const GruForward& forward, const Tensor& weight,
                          const GruSteps& steps, ParameterGradients gradients);

}  // namespace tessera::ops
