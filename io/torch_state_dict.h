// Where in a torch file the state dict lies: bare, as "state_dict", or by any other name beside whatever a training
// program keeps with it (losses, optimisers, epochs).
#pragma once

#include <string>

#include "io/pickle.h"
#include "io/torch_tensors.h"

namespace tessera {

struct StateDictPlace {
  std::string path;    // "model", "checkpoint.model"; empty for the root
  Pickle::Id id, top;  // the dict, and the value of the root in which it lies
};

// "state_dict" where there is one; else the root, unless dicts in it, up to three levels down, hold more tensors than
// lie in the root: then the first level with such a dict. Of several in it the usual names decide, weights that are
// trained before averages of them, and then whether one holds more than twice as many as all others; else they are an
// error, which begins with `file`. The root has to be a dict.
StateDictPlace find_state_dict(const Pickle& pickle, const TorchTensors& tensors, const std::string& file);

}  // namespace tessera
