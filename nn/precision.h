// The precision of a run or of a question: one choice for the activations and the matrix products of f32.
//
//   highest   f32 activations, f32 products: what goldens and published figures are compared with
//   high      f32 activations, products of operands split in two bf16 where that is faster
//             (tensor/gemm/precision.h)
//   tf32      f32 activations, products of operands reduced to TF32: on a GPU alone
//   bf16      bf16 activations in a model's blocks, and in what else its header names; products with f32 sums.
//             Parameters, their gradients, moments, statistics of LayerNorm, softmax, the losses and optimal transport
//             stay f32
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

#include "tensor/device.h"
#include "tensor/dtype.h"

namespace tessera {

enum class Precision : uint8_t { highest, high, tf32, bf16 };

// The precision called `name`; throws, naming the setting, if there is none.
Precision precision_named(const char* setting, std::string_view name);

// The activations that belong to it, for ForwardContext::activations.
constexpr DType activations_of(Precision precision) { return precision == Precision::bf16 ? DType::bf16 : DType::f32; }

// From now on the process's products of f32, matmul_precision(), are what belongs to `precision`, whatever the
// environment says. Returns activations_of(precision). `device` is the model's: tf32 on the CPU is an error.
DType use_precision(Precision precision, Device device);

// What is computed with now, for people: "bf16 activations, products in bf16 with f32 sums (avx512_bf16); …".
std::string describe_precision(DType activations, Device device);

}  // namespace tessera
