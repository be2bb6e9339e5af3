// What a Pixel-BERT begins with where no weights are given.
#pragma once

#include "models/pixelbert/model.h"

namespace tessera {

struct PixelBertInit {
  double std = 0.02;  // of tables, and of the linear maps' weights
  // Weights of linear maps with deviation 1 / sqrt(inputs) instead: a narrow model learns nothing with 0.02 for a long
  // time.
  bool fan_in = false;
  // Embeddings of rows and columns begin as cosines of the place, frequencies 1, 2, … times half a turn over the table,
  // those of columns in the lower quarters of the channels, those of rows in the two above: neighbours are alike.
  bool cosine_positions = false;
};

// Convolutions of the network get normal weights of deviation sqrt(2 / (outputs · kernel area)), as torchvision's (He,
// Zhang, Ren, Sun: "Delving Deep into Rectifiers", 2015, fan-out). A value depends on the seed and the parameter's
// name.
void initialise(PixelBert& model, const PixelBertInit& init, uint64_t seed);

}  // namespace tessera
