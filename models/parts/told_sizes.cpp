#include "models/parts/told_sizes.h"

#include "tensor/error.h"

namespace tessera {

int64_t told_size(const NamedTensors& tensors, const std::string& source, const std::string& name, int dim,
                  int dimension) {
  const auto found = tensors.find(name);
  check(found != tensors.end(), source, ": no configuration can be derived: there is no ", name);
  check(found->second.dim() == dim && found->second.numel() > 0, source, ": no configuration can be derived: ", name,
        " is ", found->second.shape());
  return found->second.size(dimension);
}

int64_t told_layers(const NamedTensors& tensors, const std::string& before, const std::string& after) {
  int64_t count = 0;
  while (tensors.contains(text(before, count, after))) ++count;
  return count;
}

}  // namespace tessera
