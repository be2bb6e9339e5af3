// What the tensors of a file tell of a model that comes without a configuration.
#pragma once

#include <cstdint>
#include <string>

#include "io/weights/weight_file.h"

namespace tessera {

// The size of a dimension of a tensor that must be there, `dim`-dimensional; the error says that no configuration can
// be derived without.
int64_t told_size(const NamedTensors& tensors, const std::string& source, const std::string& name, int dim,
                  int dimension);
// How many of `before`0`after`, `before`1`after`, … there are.
int64_t told_layers(const NamedTensors& tensors, const std::string& before, const std::string& after);

}  // namespace tessera
