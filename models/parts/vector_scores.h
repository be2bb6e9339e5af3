// Similarities of pairs from vectors, which each caption and each picture has once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tessera {

// Vectors of captions or of pictures, by their numbers: f32 [numbers, size] on the CPU.
using VectorsOf = std::function<Tensor(std::span<const int64_t> numbers)>;
// What two vectors of this size have to do with each other.
using VectorScore = std::function<double(const float* picture, const float* text, int64_t size)>;

// x · y, in f64.
double inner_product(const float* x, const float* y, int64_t size);

// The scores of pairs (captions[i], pictures[i]); vectors are asked for `batch` at a time.
std::vector<double> vector_scores(std::span<const int64_t> captions, std::span<const int64_t> pictures,
                                  const VectorsOf& texts, const VectorsOf& images, const VectorScore& score,
                                  size_t batch = 64);

}  // namespace tessera
