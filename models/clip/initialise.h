// Initial values of CLIP's parameters.
#pragma once

#include <cstdint>
#include <string>

#include "models/clip/model.h"

namespace tessera {

enum class ClipInit : uint8_t {
  // As the published code. Text tower, of width w and L blocks: normal, with deviation 0.02 (tokens), 0.01 (positions),
  // w^-½ (queries, keys, values; projection), (2Lw)^-½ (output of attention and MLP), (2w)^-½ (MLP's first layer).
  // Picture tower of width w: class token, positions and projection normal with w^-½; its blocks and the patch
  // projection as torch's layers begin: uniform within (3/2w)^½ (queries, keys, values), and within n^-½ for a layer of
  // n inputs (all others, and their biases).
  published,
  // Every matrix of a layer normal with deviation n^-½; tokens and positions as published. Towers of a few dozen
  // channels need larger values to learn anything soon.
  fan_in,
};

// Parameters on the CPU. The residual picture tower is left as it is.
void initialise(Clip& model, ClipInit init, uint64_t seed);

}  // namespace tessera
