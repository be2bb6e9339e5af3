// The name of a kernel, for messages.
#pragma once

#include <string>

namespace tessera::cuda {

// From the signature of simt::launch, as a compiler writes it: "... [with auto kernel = NAME; Arguments = ...]";
// without our namespaces. Whatever looks otherwise is taken for the name.
std::string kernel_name(std::string signature);

}  // namespace tessera::cuda
