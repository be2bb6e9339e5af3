#include "nn/precision.h"

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

std::string describe_on_cuda(DType activations) {
  if (activations == DType::bf16)
    return "bf16 activations, products in bf16 with f32 sums (cuda); parameters, statistics and losses in f32";
  switch (matmul_precision()) {
    case MatmulPrecision::high: return "f32 activations, products of operands split in two bf16 (cuda)";
    case MatmulPrecision::tf32: return "f32 activations, products of operands reduced to TF32 with f32 sums (cuda)";
    default: return "f32 (cuda)";
  }
}

}  // namespace

Precision precision_named(const char* setting, std::string_view name) {
  for (const Named& known : kPrecisions)
    if (name == known.name) return known.precision;
  fail(setting, " is '", name, "', expected highest, high, tf32 or bf16");
}

DType use_precision(Precision precision, Device device) {
  check(precision != Precision::tf32 || device.kind == Device::cuda,
        "precision tf32 is the GPU's (--device cuda); on the CPU choose highest, high or bf16");
  for (const Named& known : kPrecisions)
    if (precision == known.precision) set_matmul_precision(known.products);
  return activations_of(precision);
}

std::string describe_precision(DType activations, Device device) {
  if (device.kind == Device::cuda) return describe_on_cuda(activations);
  const char* set = name_of(instruction_set());
  if (activations == DType::bf16)
    return text("bf16 activations, products in bf16 with f32 sums (", set,
                "); parameters, statistics and losses in f32");
  if (splits_f32_products()) return text("f32 activations, products of operands split in two bf16 (", set, ")");
  if (matmul_precision() == MatmulPrecision::high)
    return "f32; products in f32 too, since split operands gain nothing without tile instructions";
  return "f32";
}

}  // namespace tessera
