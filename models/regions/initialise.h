// How a detector begins that is trained from nothing.
#pragma once

#include "models/regions/detector.h"

namespace tessera {

// Convolutions and hidden layers keep the variance through their ReLU (He et al., 2015: deviation √(2 / inputs)); the
// pyramid's, without one, √(1 / inputs). What predicts begins near nothing, as published: scores and objectness with
// deviation 0.01, differences of boxes with 0.001. Each value is a function of (seed, name, place).
void initialise_detector(FasterRcnn& model, uint64_t seed);

}  // namespace tessera
