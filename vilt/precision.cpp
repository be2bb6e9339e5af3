#include "vilt/precision.h"

#include "tensor/products/instruction_set.h"
#include "tensor/products/precision.h"

namespace tessera {

Precision precision_named(const char* setting, std::string_view name) {
  if (name == "highest") return Precision::highest;
  if (name == "high") return Precision::high;
  if (name == "bf16") return Precision::bf16;
  fail(setting, " is '", name, "', expected highest, high or bf16");
}

void use_precision(Vilt& model, Precision precision) {
  model.activations = precision == Precision::bf16 ? DType::bf16 : DType::f32;
  set_matmul_precision(precision == Precision::high ? MatmulPrecision::high : MatmulPrecision::highest);
}

std::string describe_precision(const Vilt& model) {
  const char* set = name_of(instruction_set());
  if (model.activations == DType::bf16)
    return text("bf16 activations, products in bf16 with f32 sums (", set, "); parameters, statistics and losses in f32");
  if (splits_f32_products()) return text("f32 activations, products of operands split in two bf16 (", set, ")");
  if (matmul_precision() == MatmulPrecision::high)
    return "f32; products in f32 too, since split operands gain nothing without tile instructions";
  return "f32";
}

}  // namespace tessera
