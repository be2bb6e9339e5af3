// Runs a test with every instruction set that the machine has, and with the tile kernel on emulated tiles.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tensor/gemm/packed/kernel_choice.h"

namespace tessera::products {
extern const Kernels kEmulatedAmxKernels;
}

namespace tessera {

// The emulated tiles are one set of registers: the test must use one thread.
template <class Test>
void with_emulated_tiles(Test&& test) {
  struct Restore {
    ~Restore() { products::replace_kernels(nullptr); }
  } restore;
  products::replace_kernels(&products::kEmulatedAmxKernels);
  CAPTURE("emulated tiles");
  test();
}

template <class Test>
void with_every_instruction_set(Test&& test) {
  struct Restore {
    bool forced = instruction_set_is_forced();
    InstructionSet before = instruction_set();
    ~Restore() { force_instruction_set(forced ? std::optional(before) : std::nullopt); }
  } restore;
  for (const InstructionSet set : machine_instruction_sets()) {
    force_instruction_set(set);
    const std::string name = name_of(set);
    CAPTURE(name);
    test();
  }
}

}  // namespace tessera
