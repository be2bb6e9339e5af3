// Tensors with the same elements in other memory, for autograd/gradcheck.h.
#pragma once

#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::gradcheck_detail {

struct Twin {
  const char* layout;  // "strided"
  Tensor tensor;
  int dimension = -1;       // along which it is expanded
  bool same_values = true;  // as the tensor it was made of; if not, its first slice repeated

  // "with the strided twin of input 1"
  std::string name(size_t input) const;
};

// Those that its shape allows: see autograd/gradcheck.h.
std::vector<Twin> twins_of(const Tensor& x);

}  // namespace tessera::gradcheck_detail
