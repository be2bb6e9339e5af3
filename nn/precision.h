// The precision of a run or of a question: one choice for the activations and the matrix products of f32.
//
//   highest   f32 activations, f32 products: what goldens and published figures are compared with
//   high      f32 activations, products of operands split in two bf16 where that is faster
//             (tensor/gemm/precision.h)
//   tf32      f32 activations, products of operands reduced to TF32: on a GPU alone
//   bf16      bf16 activations in the patch projection, the blocks and the heads for masked words and patches, products
//             with f32 sums. Parameters, their gradients, moments, statistics of LayerNorm, softmax, the losses and
//             optimal transport stay f32
//
// Accuracy. Let r be the root mean square of one rounding, relative: 1.7·10⁻³ of bf16, 7.5·10⁻⁴ of a product in TF32
// (if its tensor cores cut off what is beyond 11 bits; 3·10⁻⁴ if they round), 4.4·10⁻⁶ of a product of split operands,
// 2·10⁻⁷ of a product in f32. On the way through one of L blocks a value meets at most ten of them (two sums, two
// normalised values, q k v, the attention's weights and result, its projection, the hidden layer before GELU and
// after), and a gradient these and twenty more (its own, and those of what it is multiplied by); independent errors add
// up as squares do. So the root mean square of the error, relative to the tensor's own, is at most r √(10 L) for hidden
// states, logits and costs, and r √(30 L) for the gradient of every parameter (tests/vilt/precision_test.cpp): for L =
// 12 in bf16 1.9 % and 3.2 %.
#pragma once

#include <string>
#include <string_view>

#include "vilt/model.h"

namespace tessera {

enum class Precision : uint8_t { highest, high, tf32, bf16 };

// The precision called `name`; throws, naming the setting, if there is none.
Precision precision_named(const char* setting, std::string_view name);

// From now on `model` computes so, and the process's matmul_precision() is what belongs to it, whatever the environment
// says. The model has to lie on its device already: tf32 on the CPU is an error.
void use_precision(Vilt& model, Precision precision);

// What `model` computes with now, for people: "bf16 activations, products in bf16 with f32 sums (avx512_bf16); …".
std::string describe_precision(const Vilt& model);

}  // namespace tessera
