// What a test can set in the emulation of kernels.
#pragma once

#include <cstdint>

namespace tessera::simt {

// The order in which threads and blocks run is a function of this number.
extern uint64_t order;

// Whether accesses are checked where that is built in (tensor/cuda/emulation/accesses.h). Without it a race shows in
// results alone.
extern bool check_accesses;
bool accesses_are_checked();  // built in, and wanted

}  // namespace tessera::simt
