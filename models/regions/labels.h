// What a detector's numbers stand for, and the true boxes of a data set by them.
#pragma once

#include "data/regions/regions.h"
#include "data/sets/dataset.h"
#include "models/regions/proposals.h"

namespace tessera {

// Which of an annotated object's attributes (data/sets/annotations.h) says what it is, and which what it is like; the
// second may be empty: there are none then.
struct RegionKeys {
  std::string object = "shape", attribute = "colour";
};

struct RegionLabels {
  RegionClasses classes;                // [0] is background
  std::vector<std::string> attributes;  // "red", …

  // What region_probabilities (models/regions/box_head.h) are of: the classes, or background and all pairs: "red ring".
  RegionClasses pairs() const;
  int64_t pair(int64_t label, int64_t attribute) const;
  bool operator==(const RegionLabels&) const = default;
};

// All values that the keys have in the data set's annotations, in the order of their letters. That there is none is an
// error.
RegionLabels labels_of(const Dataset& dataset, const RegionKeys& keys);

// What is annotated of a picture: the objects of its first sentence that has any. A picture without has none. A value
// that is not among the labels, and an object without the key, are errors that name the sentence.
TrueBoxes true_boxes(const Dataset& dataset, int64_t image, const RegionLabels& labels, const RegionKeys& keys);

}  // namespace tessera
