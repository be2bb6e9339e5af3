// The precision of a run or of a question: one choice for the activations and the matrix products of f32.
//
//   highest   f32 activations, f32 products: what goldens and published figures are compared with
//   high      f32 activations, products of operands split in two bf16 (tensor/products/precision.h), where that is faster
//   bf16      bf16 activations in the blocks and the heads for masked words and patches, products with f32 sums. Parameters,
//             their gradients, moments, statistics of LayerNorm, softmax, the losses and optimal transport stay f32
#pragma once

#include <string>
#include <string_view>

#include "vilt/model.h"

namespace tessera {

enum class Precision : uint8_t { highest, high, bf16 };

// The precision called `name`; throws, naming the setting, if there is none.
Precision precision_named(const char* setting, std::string_view name);

// From now on `model` computes so. `high` sets the process's matmul_precision(); `highest` leaves it as the environment says.
void use_precision(Vilt& model, Precision precision);

// What `model` computes with now, for people: "bf16 activations, products in bf16 with f32 sums (avx512_bf16); …".
std::string describe_precision(const Vilt& model);

}  // namespace tessera
