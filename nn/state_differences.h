// What to tell about a file whose tensors are not a model's: the pattern first, since hundreds of names hide it.
#pragma once

#include <string>

#include "nn/parameter.h"

namespace tessera {

// "" if `file` holds exactly the tensors of `expected`. Else lines: how many are missing, unexpected or of another
// shape and what their names have in common; the beginning of names whose exchange would make most of them fit; at
// most ten of the differences.
std::string describe_differences(const std::map<std::string, Tensor>& expected,
                                 const std::map<std::string, Tensor>& file);

}  // namespace tessera
