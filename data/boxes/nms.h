// Non-maximum suppression: of boxes that overlap the one with the best score stays.
//
// Greedy: boxes in the order of falling scores, equal ones in their own order; each that is still there is kept and
// removes those behind it whose intersection over union with it is above (not at) the threshold. Boxes without area
// remove nothing. A score that is not a number ranks nowhere: such a box is neither kept nor removes others.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/boxes/boxes.h"

namespace tessera {

// The rows that are kept, the best first.
std::vector<int64_t> suppressed(const Boxes& boxes, std::span<const double> scores, double threshold,
                                BoxEnds ends = BoxEnds::at_corner);
// The same where boxes of different classes do not touch each other (torchvision's batched_nms).
std::vector<int64_t> suppressed_by_class(const Boxes& boxes, std::span<const double> scores,
                                         std::span<const int64_t> classes, double threshold,
                                         BoxEnds ends = BoxEnds::at_corner);

// The same boxes suppressed by many scores, as by those of many classes: which of them overlap is found once, n² / 2
// comparisons, and kept as n² bits. After that a ranking costs its sort, and n / 64 words for each box that is kept.
class SharedSuppression {
 public:
  SharedSuppression(const Boxes& boxes, double threshold, BoxEnds ends = BoxEnds::at_corner);
  // What `suppressed` says of them.
  std::vector<int64_t> operator()(std::span<const double> scores) const;

 private:
  size_t count_, words_;
  std::vector<uint64_t> overlaps_;  // [count, words]: bit j of row i
};

}  // namespace tessera
