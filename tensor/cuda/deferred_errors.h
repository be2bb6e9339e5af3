// Errors that only a kernel can find. It leaves a number on the device, and the host reads it where it waits for the
// device anyway, with a step's metrics: nothing waits in the op itself.
#pragma once

#include <functional>
#include <string>

namespace tessera::cuda {

using ErrorWord = unsigned long long;  // what atomicMax takes

// Where kernels report errors of this name, on the device: 0 while there is none, else a number that `message` puts in
// words. It is the same place for every call with that name as long as the process lives, so a captured step may write
// to it.
ErrorWord* deferred_error(const std::string& name, std::function<std::string(ErrorWord)> message);

// Throws Error with the message of an error that kernels have reported since the last call, if there is one, and
// forgets it. Waits for all work on the device, unless no op that reports errors has run.
void check_deferred_errors();

}  // namespace tessera::cuda
