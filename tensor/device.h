// Which devices this program can compute on.
#pragma once

#include <string>

#include "tensor/dtype.h"

namespace tessera {

// "" if tensors can lie on it; else why not, in one line: "this build has no CUDA backend (configure with -Dcuda=on)",
// or the driver's words.
std::string why_unavailable(Device device);
// Throws "device cuda:0: why not".
void check_available(Device device);
// Throws what kernels have found wrong since the last call (the values they were given: see the op), if anything. For
// where results are read: it waits for the device. Nothing on the CPU, whose ops throw at once.
void check_device_errors(Device device);
// "cpu", "cuda" or "cuda:0". Throws, naming `what` (an option, a setting), for anything else; not if it is unavailable.
Device device_named(const char* what, const std::string& name);

}  // namespace tessera
