#include "tensor/gemm/precision.h"

#include <atomic>
#include <cstdlib>

#include "tensor/error.h"
#include "tensor/gemm/packed/instruction_set.h"

namespace tessera {
namespace {

MatmulPrecision from_environment() {
  const char* setting = std::getenv("TESSERA_MATMUL_PRECISION");
  return setting && *setting ? matmul_precision_named("TESSERA_MATMUL_PRECISION", setting) : MatmulPrecision::highest;
}

std::atomic<MatmulPrecision>& setting() {
  static std::atomic<MatmulPrecision> value{from_environment()};
  return value;
}

}  // namespace

const char* name_of(MatmulPrecision precision) {
  switch (precision) {
    case MatmulPrecision::high: return "high";
    case MatmulPrecision::tf32: return "tf32";
    default: return "highest";
  }
}

MatmulPrecision matmul_precision_named(const char* setting, std::string_view name) {
  for (const auto precision : {MatmulPrecision::highest, MatmulPrecision::high, MatmulPrecision::tf32})
    if (name == name_of(precision)) return precision;
  fail(setting, " is '", name, "', expected highest, high or tf32");
}

MatmulPrecision matmul_precision() { return setting().load(std::memory_order_relaxed); }
void set_matmul_precision(MatmulPrecision precision) { setting().store(precision, std::memory_order_relaxed); }

bool splits_f32_products() {
  return matmul_precision() == MatmulPrecision::high &&
         (instruction_set() == InstructionSet::amx || instruction_set_is_forced());
}

}  // namespace tessera
