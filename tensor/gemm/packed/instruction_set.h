// Which vector instructions the matrix products of this folder use. Every variant is always built, each in a file of
// its own with its own flags; the choice is made when the program runs.
//
// The tile kernels (amx) have been tested on emulated tiles, not yet on a processor that has them. Until they have
// been, they are not chosen by themselves: a machine has them only where TESSERA_ISA=amx asks for them.
//
// The environment variable TESSERA_ISA (amx, avx512_bf16, avx512, avx2 or portable) forces a lower one than the machine
// has: to compare them, or to get the same arithmetic on different machines.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tessera {

// In ascending order of preference.
enum class InstructionSet : uint8_t {
  portable,     // plain C++: the readable twin of the others
  avx2,         // AVX2 and FMA; bf16 widened to f32 by a shift
  avx512,       // AVX-512 F, BW, DQ, VL; bf16 widened to f32 by a shift
  avx512_bf16,  // vdpbf16ps: two bf16 products for each f32 sum
  amx,          // tiles of 16 rows of 64 bytes, tdpbf16ps
};

const char* name_of(InstructionSet set);

bool machine_has(InstructionSet set);
std::vector<InstructionSet> machine_instruction_sets();  // the best first; ends with portable

// The set called `name`; throws, naming the setting, if there is none or this machine lacks it.
InstructionSet instruction_set_named(const char* setting, std::string_view name);

// The one in use: the machine's best unless TESSERA_ISA or `force_instruction_set` says otherwise. Throws if
// TESSERA_ISA names an unknown set or one that the machine lacks.
InstructionSet instruction_set();
bool instruction_set_is_forced();

// For tests and measurements; nullopt takes the force away (TESSERA_ISA's too). Throws if the machine lacks `set`. Not
// to be called while products run.
void force_instruction_set(std::optional<InstructionSet> set);

}  // namespace tessera
