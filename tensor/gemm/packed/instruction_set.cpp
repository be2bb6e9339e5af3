#include "tensor/gemm/packed/instruction_set.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "tensor/error.h"

namespace tessera {
namespace {

constexpr InstructionSet kBestFirst[] = {InstructionSet::amx, InstructionSet::avx512_bf16, InstructionSet::avx512,
                                         InstructionSet::avx2, InstructionSet::portable};

#if defined(__x86_64__) && defined(__linux__)
// The processor has tiles with bf16 products (cpuid leaf 7: EDX bits 22 and 24), the system saves their state (XCR0
// bits 17 and 18), and it lets this process use the 8 KiB of them: Linux wants to be asked, once per process.
bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return false;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return false;  // xgetbv may be used
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low >> 17 & 3) != 3) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// These also ask whether the system saves the registers.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }

// The tile kernels have run on emulated tiles alone, never on a processor that has them (instruction_set.h).
bool tiles_are_asked_for() {
  const char* setting = std::getenv("TESSERA_ISA");
  return setting && std::string_view(setting) == "amx";
}

bool find_out(InstructionSet set) {
  switch (set) {
    case InstructionSet::portable: return true;
    case InstructionSet::avx2: return has_avx2();
    case InstructionSet::avx512: return has_avx512();
    case InstructionSet::avx512_bf16: return has_avx512_bf16();
    case InstructionSet::amx: return tiles_are_asked_for() && has_avx512() && has_amx();
  }
  return false;
}
#else
bool find_out(InstructionSet set) { return set == InstructionSet::portable; }
#endif

std::string machine_list() {
  std::string list;
  for (const InstructionSet set : machine_instruction_sets())
    list += (list.empty() ? "" : ", ") + std::string(name_of(set));
  return list;
}

std::optional<InstructionSet> set_from_environment() {
  const char* setting = std::getenv("TESSERA_ISA");
  if (!setting || !*setting) return std::nullopt;
  return instruction_set_named("TESSERA_ISA", setting);
}

struct Choice {
  std::optional<InstructionSet> forced;
  InstructionSet used;
};

Choice& choice() {
  static Choice instance = [] {
    const std::optional<InstructionSet> forced = set_from_environment();
    return Choice{forced, forced.value_or(machine_instruction_sets().front())};
  }();
  return instance;
}

}  // namespace

const char* name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::portable: return "portable";
    case InstructionSet::avx2: return "avx2";
    case InstructionSet::avx512: return "avx512";
    case InstructionSet::avx512_bf16: return "avx512_bf16";
    case InstructionSet::amx: return "amx";
  }
  return "?";
}

bool machine_has(InstructionSet set) {
  const auto sets = machine_instruction_sets();
  return std::find(sets.begin(), sets.end(), set) != sets.end();
}

std::vector<InstructionSet> machine_instruction_sets() {
  static const std::vector<InstructionSet> found = [] {
    std::vector<InstructionSet> sets;
    std::copy_if(std::begin(kBestFirst), std::end(kBestFirst), std::back_inserter(sets), find_out);
    return sets;
  }();
  return found;
}

InstructionSet instruction_set_named(const char* setting, std::string_view name) {
  const auto* found = std::find_if(std::begin(kBestFirst), std::end(kBestFirst),
                                   [&](InstructionSet set) { return name == name_of(set); });
  check(found != std::end(kBestFirst), setting, " is '", name,
        "', expected amx, avx512_bf16, avx512, avx2 or portable");
  check(machine_has(*found), setting, " is '", name, "', which this machine lacks; it has ", machine_list());
  return *found;
}

InstructionSet instruction_set() { return choice().used; }
bool instruction_set_is_forced() { return choice().forced.has_value(); }

void force_instruction_set(std::optional<InstructionSet> set) {
  check(!set || machine_has(*set), "force_instruction_set: this machine lacks ", set ? name_of(*set) : "", "; it has ",
        machine_list());
  choice() = {set, set.value_or(machine_instruction_sets().front())};
}

}  // namespace tessera
