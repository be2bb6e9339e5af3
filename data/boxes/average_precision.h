// Average precision of a detector, as COCO counts it (pycocotools): of each class, all detections of all pictures in
// the order of falling scores; each takes the true box of its picture and class that it overlaps most among those not
// yet taken, if by the threshold or more, and is right, or is wrong. The area under precision against recall is the
// mean, over the recalls 0, 0.01, …, 1, of the largest precision at that recall or beyond (0 where it is never
// reached).
//
// (Pascal VOC's average since 2010 takes every recall instead of 101; the two differ by less than a hundredth where
// there are many boxes.)
#pragma once

#include <map>
#include <optional>
#include <span>

#include "data/boxes/boxes.h"

namespace tessera {

class AveragePrecision {
 public:
  explicit AveragePrecision(double overlap = 0.5) : overlap_(overlap) {}

  // One picture. Detections whose score is not a number are none. Of equal scores those added first come first.
  void add(const Boxes& found, std::span<const double> scores, std::span<const int64_t> found_labels,
           const Boxes& truth, std::span<const int64_t> labels);

  struct OfClass {
    int64_t truths = 0, found = 0;
    double value = 0;  // of a class without true boxes there is none, and it is not in the mean
  };
  std::map<int64_t, OfClass> by_class() const;
  // Over the classes of which there are true boxes; none if there are none.
  std::optional<double> mean() const;

 private:
  struct Found {
    double score;
    bool right;
  };
  struct Class {
    int64_t truths = 0;
    std::vector<Found> found;
  };
  double overlap_;
  std::map<int64_t, Class> classes_;
};

}  // namespace tessera
