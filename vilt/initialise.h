// Initial values of a model, as the settings say.
#pragma once

#include "vilt/heads.h"
#include "vilt/tasks/settings.h"

namespace tessera {

// Linear weights: normal or truncated normal with init.std, or normal with 1 / sqrt(inputs) (fan_in). Embedding tables
// and the image's class token: normal with init.std. Biases 0, LayerNorm weights 1. With init.positions = "cosine" the
// image position table starts as smooth 2-D cosines of amplitude sqrt(2) plus that noise: for position z in [0, 1]
// along x and along y each, cos(pi k z), k = 1 .. hidden/8, twice over.
void initialise(ViltWithHeads& model, const Settings::Init& init, uint64_t seed);

}  // namespace tessera
