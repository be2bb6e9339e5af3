#include "tensor/gemm/packed/kernel_choice.h"

#include <atomic>

namespace tessera::products {
namespace {

std::atomic<const Kernels*> replaced{nullptr};

}  // namespace

const Kernels& kernels_of(InstructionSet set) {
#if defined(__x86_64__) && defined(__linux__)
  switch (set) {
    case InstructionSet::amx: return kAmxKernels;
    case InstructionSet::avx512_bf16: return kAvx512Bf16Kernels;
    case InstructionSet::avx512: return kAvx512Kernels;
    case InstructionSet::avx2: return kAvx2Kernels;
    case InstructionSet::portable: break;
  }
#else
  static_cast<void>(set);
#endif
  return kPortableKernels;
}

const Kernels& kernels() {
  const Kernels* replacement = replaced.load(std::memory_order_relaxed);
  return replacement ? *replacement : kernels_of(instruction_set());
}

void replace_kernels(const Kernels* replacement) { replaced.store(replacement, std::memory_order_relaxed); }

}  // namespace tessera::products
