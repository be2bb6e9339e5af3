// A table of vectors, looked up by id.
#pragma once

#include "autograd/functions.h"
#include "nn/parameter.h"

namespace tessera {

struct Embedding {
  Variable weight;  // [rows, size]

  Embedding() = default;
  Embedding(int64_t rows, int64_t size) : weight(Tensor::zeros({rows, size}), true) {}

  // ids i64 of any shape → [ids..., size]
  Variable operator()(const Tensor& ids) const { return embedding(weight, ids); }

  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    visitor(join_name(prefix, "weight"), weight);
  }
};

}  // namespace tessera
