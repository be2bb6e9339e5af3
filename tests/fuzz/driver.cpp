// libFuzzer's entry; TESSERA_FUZZ_TARGET is the name of one function of targets.h.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::fuzz::TESSERA_FUZZ_TARGET({data, size});
  return 0;
}
