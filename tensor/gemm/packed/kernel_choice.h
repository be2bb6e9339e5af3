// The kernels of the instruction set in use.
#pragma once

#include "tensor/gemm/packed/instruction_set.h"
#include "tensor/gemm/packed/kernels.h"

namespace tessera::products {

const Kernels& kernels_of(InstructionSet set);
const Kernels& kernels();

// For tests: uses `replacement` whatever the instruction set is, until called with nullptr.
void replace_kernels(const Kernels* replacement);

}  // namespace tessera::products
