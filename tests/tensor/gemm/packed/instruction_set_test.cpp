#include "tensor/gemm/packed/instruction_set.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "tensor/error.h"
#include "tests/tensor/gemm/packed/every_kernel.h"

namespace tessera::instruction_set_test {

TEST_CASE("instruction_set: the machine's best, portable everywhere") {
  const auto sets = machine_instruction_sets();
  REQUIRE(!sets.empty());
  CHECK(sets.back() == InstructionSet::portable);
  for (size_t i = 1; i < sets.size(); ++i) CHECK(sets[i] < sets[i - 1]);
  if (!std::getenv("TESSERA_ISA")) CHECK(instruction_set() == sets.front());
}

TEST_CASE("instruction_set: every one of the machine's can be forced, no other") {
  with_every_instruction_set([] { CHECK(instruction_set_is_forced()); });
  for (const InstructionSet set : {InstructionSet::amx, InstructionSet::avx512_bf16, InstructionSet::avx512}) {
    if (machine_has(set)) continue;
    const std::string message = text("force_instruction_set: this machine lacks ", name_of(set), "; it has ");
    CHECK_THROWS_WITH_AS(force_instruction_set(set), doctest::Contains(message.c_str()), Error);
  }
}

TEST_CASE("instruction_set: names") {
  for (const InstructionSet set : machine_instruction_sets())
    CHECK(instruction_set_named("TESSERA_ISA", name_of(set)) == set);
  CHECK_THROWS_WITH_AS(instruction_set_named("TESSERA_ISA", "sse"),
                       "TESSERA_ISA is 'sse', expected amx, avx512_bf16, avx512, avx2 or portable", Error);
  if (machine_has(InstructionSet::amx)) return;
  CHECK_THROWS_WITH_AS(instruction_set_named("TESSERA_ISA", "amx"),
                       doctest::Contains("TESSERA_ISA is 'amx', which this machine lacks; it has "), Error);
}

}  // namespace tessera::instruction_set_test
