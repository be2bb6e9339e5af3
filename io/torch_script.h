// The state of a TorchScript program, as torch.jit.save writes it: nested modules instead of a flat dict.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/pickle.h"
#include "io/torch_tensors.h"

namespace tessera {

// True of a value that is made by a class below `__torch__`, as the modules of such a program are.
bool is_script_module(const Pickle& pickle, Pickle::Id id);

// The tensors among the attributes of `module` and of the modules in it, each by its path: what state_dict() would call
// it. Attributes that are neither (flags, numbers, hooks) are passed over. A module that stands in two places is taken
// where it is found first. Errors begin with `file`.
std::vector<std::pair<std::string, Pickle::Id>> script_state(const Pickle& pickle, const TorchTensors& tensors,
                                                             Pickle::Id module, const std::string& file);

}  // namespace tessera
