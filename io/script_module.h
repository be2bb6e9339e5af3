// Modules as TorchScript archives store them (torch.jit.save): objects of classes below "__torch__." whose attributes
// are tensors, numbers and modules again. No class and no code of the archive is read; a module is a bag of attributes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/pickle.h"

namespace tessera {

bool is_script_module(const Pickle& pickle, Pickle::Id id);

// What is not a module, by its path ("visual.conv1.weight"), in the order of the file, without `training` and
// `_is_full_backward_hook`, which every module has. A module that is used twice has its attributes under both paths.
// Errors, which begin with `file`: modules nested more than 64 deep, a name that is no string, more than 100,000
// attributes or 16 MiB of paths.
std::vector<std::pair<std::string, Pickle::Id>> script_attributes(const Pickle& pickle, Pickle::Id module,
                                                                  const std::string& file);

}  // namespace tessera
