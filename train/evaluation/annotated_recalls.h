// What recall at 1 is worth on an annotated data set, where captions fit other pictures than their own.
#pragma once

#include <vector>

#include "data/pictures.h"
#include "data/sets/dataset.h"
#include "train/evaluation/run_facts.h"

namespace tessera {

// Adds, each both ways: "R@1 by objects alone", that of one who tells what is in the pictures but not where, where
// objects are annotated; "R@1 attainable", that of one who knows all that captions of the built-in data say, where they
// are of its kind (data/scenes/fitting.h). Among the candidates that fit, one's own included, it takes any;
// a text that is there twice has equal scores, which count as wrong.
// `images` and `texts` are indices; every text belongs to one of the images.
void add_annotated_recalls(const Dataset& dataset, const Pictures& pictures, const std::vector<int64_t>& images,
                           const std::vector<int64_t>& texts, NamedFigures& out);

}  // namespace tessera
