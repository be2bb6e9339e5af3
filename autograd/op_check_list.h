// The list that the files op_checks*.cpp fill, and the inputs that they draw.
#pragma once

#include <utility>

#include "autograd/op_checks.h"

namespace tessera::detail {

using Inputs = std::span<const Variable>;

class OpCheckList {
 public:
  explicit OpCheckList(uint64_t seed) : seed_(seed) {}

  // Independent standard normal values: never equal, and never at the corner of a relu or the tie of a max.
  Tensor normal(const Shape& shape) { return random_normal(shape, seed_ * 1'000'003 + ++draws_); }
  // Uniform in [low, high).
  Tensor uniform(const Shape& shape, double low, double high);
  // The same values as `normal`, with the dimensions in memory the other way round.
  Tensor strided(const Shape& shape);
  Ticket ticket() { return {seed_, static_cast<uint32_t>(++draws_), 0}; }

  void add(const char* name, const char* variant, const std::function<Variable(Inputs)>& f, std::vector<Tensor> inputs,
           const GradcheckOptions& options = {}) {
    add_many(
        name, variant, [f](Inputs x) { return std::vector<Variable>{f(x)}; }, std::move(inputs), options);
  }
  // For ops with several outputs.
  void add_many(const char* name, const char* variant, GradcheckFunction f, std::vector<Tensor> inputs,
                GradcheckOptions options = {});

  std::vector<OpCheck> take() { return std::move(checks_); }

 private:
  uint64_t seed_;
  uint64_t draws_ = 0;
  std::vector<OpCheck> checks_;
};

inline Tensor indices(const std::vector<int64_t>& values) { return Tensor::from(values); }
// cu_seqlens of these lengths.
Tensor marks(const std::vector<int64_t>& lengths);

void add_layer_checks(OpCheckList& list);    // matrix products, normalisation, dropout, rows, regions
void add_picture_checks(OpCheckList& list);  // convolution, pooling, batch normalisation
void add_loss_checks(OpCheckList& list);
void add_sequence_checks(OpCheckList& list);  // attention, recurrence, optimal transport

}  // namespace tessera::detail
