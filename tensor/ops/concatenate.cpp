#include "tensor/ops/concatenate.h"

namespace tessera::ops {

Tensor concatenate(std::span<const Tensor> parts, int dimension) {
  check(!parts.empty(), "concatenate: no tensors given");
  const Tensor& first = parts[0];
  const int d = dimension < 0 ? dimension + first.dim() : dimension;
  check(d >= 0 && d < first.dim(), "concatenate: no dimension ", dimension, " in shape ", first.shape());
  Shape shape = first.shape();
  shape[d] = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Tensor& part = parts[i];
    bool agrees = part.dim() == first.dim() && part.dtype() == first.dtype() && part.device() == first.device();
    for (int k = 0; agrees && k < shape.dim(); ++k) agrees = k == d || part.size(k) == shape[k];
    check(agrees, "concatenate: part ", i, " is ", describe(part), ", expected ", describe(first), " up to dimension ",
          d);
    shape[d] += part.size(d);
  }
  const Tensor out = Tensor::empty(shape, first.dtype(), first.device());
  int64_t start = 0;
  for (const Tensor& part : parts) {
    out.narrow(d, start, part.size(d)).copy_(part);
    start += part.size(d);
  }
  return out;
}

}  // namespace tessera::ops
