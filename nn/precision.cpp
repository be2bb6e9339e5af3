#include "vilt/precision.h"

#include <array>

#include "tensor/gemm/packed/instruction_set.h"
#include "tensor/gemm/precision.h"

namespace tessera {

namespace {

struct Named {
  const char* name;
  Precision precision;
  MatmulPrecision products;  // of f32
};
constexpr std::array<Named, 4> kPrecisions{{{"highest", Precision::highest, MatmulPrecision::highest},
                                            {"high", Precision::high, MatmulPrecision::high},
                                            {"tf32", Precision::tf32, MatmulPrecision::tf32},
                                            {"bf16", Precision::bf16, MatmulPrecision::highest}}};

bool on_cuda(const Vilt& model) { return model.device().kind == Device::cuda; }

std::string describe_on_cuda(const Vilt& model) {
  if (model.activations == DType::bf16)
    return "bf16 activations, products in bf16 with f32 sums (cuda); parameters, statistics and losses in f32";
  switch (matmul_precision()) {
    case MatmulPrecision::high:
      return "f32 activations, products of operands split in two bf16 (cuda)";
    case MatmulPrecision::tf32:
      return "f32 activations, products of operands reduced to TF32 with f32 sums (cuda)";
    default:
      return "f32 (cuda)";
  }
}

}  // namespace

Precision precision_named(const char* setting, std::string_view name) {
  for (const Named& known : kPrecisions)
    if (name == known.name) return known.precision;
  fail(setting, " is '", name, "', expected highest, high, tf32 or bf16");
}

void use_precision(Vilt& model, Precision precision) {
  check(precision != Precision::tf32 || on_cuda(model),
        "precision tf32 is the GPU's (--device cuda); on the CPU choose highest, high or bf16");
  model.activations = precision == Precision::bf16 ? DType::bf16 : DType::f32;
  for (const Named& known : kPrecisions)
    if (precision == known.precision) set_matmul_precision(known.products);
}

std::string describe_precision(const Vilt& model) {
  if (on_cuda(model)) return describe_on_cuda(model);
  const char* set = name_of(instruction_set());
  if (model.activations == DType::bf16)
    return text("bf16 activations, products in bf16 with f32 sums (", set, "); parameters, statistics and losses in f32");
  if (splits_f32_products()) return text("f32 activations, products of operands split in two bf16 (", set, ")");
  if (matmul_precision() == MatmulPrecision::high)
    return "f32; products in f32 too, since split operands gain nothing without tile instructions";
  return "f32";
}

}  // namespace tessera
