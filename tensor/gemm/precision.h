// The arithmetic of f32 matrix products: one setting of the process.
#pragma once

#include <cstdint>
#include <string_view>

namespace tessera {

// `highest`: f32 operands, f32 sums (products too small to be worth it even in f64).
//
// `high`: each f32 operand x is split in two bf16, x ≈ h + l, h = bf16(x), l = bf16(x - h), and a product of matrices
// is h·h + h·l + l·h with f32 sums (packed/product.h has the error: 4.4·10⁻⁶ of a result's typical size). With AMX
// tiles that is several times as fast as f32 arithmetic. Without them three products cost more than they save
// (vdpbf16ps has twice the rate of f32 multiply-adds), so `high` then keeps the arithmetic of `highest`, which is more
// accurate still. Where an instruction set is forced (packed/instruction_set.h), `high` always splits, so that it can
// be tried anywhere. A GPU splits every product (tensor/gemm/gemm_kernels.h).
//
// `tf32`: on a GPU, operands reduced to TF32 (11 significant bits, error below 2⁻¹⁰ of each) by its tensor cores, f32
// sums. The CPU has no such arithmetic: its products are those of `highest`.
enum class MatmulPrecision : uint8_t { highest, high, tf32 };

const char* name_of(MatmulPrecision precision);

// The precision called `name`; throws, naming the setting, if there is none.
MatmulPrecision matmul_precision_named(const char* setting, std::string_view name);

// Starts as TESSERA_MATMUL_PRECISION (highest, high or tf32), else highest. Not to be set while products run.
MatmulPrecision matmul_precision();
void set_matmul_precision(MatmulPrecision precision);

// True if f32 products on the CPU are formed from split operands now: precision is `high`, and this machine gains.
bool splits_f32_products();

}  // namespace tessera
