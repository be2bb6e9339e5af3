// `vilt gradcheck`: runs the gradient check of every differentiable op and prints a table.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "tensor/dtype.h"

namespace tessera {

// Runs the checks whose op's name contains `filter` (all if empty; no match is an error that lists the names). With
// `plant`, the gradient of one input of each is made wrong by 1 %, to show that the checks can fail. `exhaustive`:
// every element also of large inputs. Kinks are listed below their check, and counted at the end. Returns the exit
// status: 1 when a check fails (so also when planted errors are found), otherwise 0.
int run_gradcheck_table(std::ostream& out, const std::string& filter, uint64_t seed, bool plant = false,
                        bool exhaustive = false);

// The same for autograd/device_checks.h: every op on `device` against the CPU.
int run_device_table(std::ostream& out, const std::string& filter, uint64_t seed, Device device);

}  // namespace tessera
