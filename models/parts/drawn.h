// Initial values of BERT's relatives that are trained from scratch.
#pragma once

#include <array>
#include <span>

#include "nn/linear.h"

namespace tessera {

struct DrawnValues {
  // Linear weights normal with 1 / sqrt(inputs) (nn/init.h), which narrow models need; otherwise with `deviation`, as
  // published. Tables of embeddings always have the latter.
  bool fan_in = false;
  double deviation = 0.02;
  uint64_t seed = 0;
};

// Overwrites matrices and tables; vectors (biases, weights of LayerNorms) keep what they are constructed with. A table
// is what is called embeddings.….weight or mask_embedding.weight.
ParameterVisitor drawing(const DrawnValues& how);

// Gives a projection of places (x1, y1, x2, y2 as parts of the picture's sides, then others) a bias that takes off what
// it makes of `middle`. A place differs from the middle by a fraction of itself: what it projects to is otherwise
// nearly the same for all places, and a LayerNorm after it makes them nearly equal.
void centre_places(Linear& projection, std::span<const double> middle);
// A box in the middle, of a third of each side: in UNITER's seven numbers, and in ViLBERT's five.
inline constexpr std::array<double, 7> kMiddleOfSeven{1.0 / 3, 1.0 / 3, 2.0 / 3, 2.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 9};
inline constexpr std::array<double, 5> kMiddleOfFive{1.0 / 3, 1.0 / 3, 2.0 / 3, 2.0 / 3, 1.0 / 9};

}  // namespace tessera
