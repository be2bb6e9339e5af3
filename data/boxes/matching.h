// Which true box each anchor or proposal stands for in training, and which of them are trained on.
#pragma once

#include "data/boxes/boxes.h"
#include "tensor/philox.h"

namespace tessera {

inline constexpr int64_t kBackground = -1, kBetween = -2;

struct MatchRule {
  double high = 0.7;  // from here on a box stands for the true box that it overlaps most (of equal ones the first)
  double low = 0.3;   // below it is background; what is between is left out
  // For each true box the boxes that overlap it most, all of them if several do equally, stand for the true box that
  // *they* overlap most, whatever the overlap. As torchvision has it, but for true boxes that none overlaps: there
  // every box would be among the best.
  bool best_of_each = false;
};
// overlap [true boxes, boxes], numbers of 0 to 1 → for each box the index of a true box, kBackground or kBetween.
// Without true boxes all are background.
std::vector<int64_t> matched(const Eigen::ArrayXXd& overlap, const MatchRule& rule);

// At most `count` of the boxes, chosen by `random` without replacement: of those that stand for a true box at most
// ⌊count · fraction⌋, and as many of the background as are left to choose. Each in ascending order.
struct BoxSample {
  std::vector<int64_t> positive, negative;
};
BoxSample balanced_sample(std::span<const int64_t> matches, int64_t count, double fraction, Random& random);

}  // namespace tessera
