// Classification without training: a class is the text tower's vector for its name, put into several templates ("a
// photo of a {}.").
#pragma once

#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace tessera {

// What the published evaluation multiplies cosines with, whatever the model's own scale has become.
constexpr double kZeroShotScale = 100;

// `name` in each template, in the place of "{}". A template without one is an error.
std::vector<std::string> prompts_of(const std::string& name, const std::vector<std::string>& templates);

// features [classes · templates, e], those of one class side by side, not normalised → [classes, e]: the mean of the
// *normalised* vectors of a class, normalised again.
Tensor class_embeddings(const Tensor& features, int64_t templates);

// image_features [n, e], not normalised, classes [k, e] of unit length → scale · cosine, [n, k].
Tensor zero_shot_logits(const Tensor& image_features, const Tensor& classes, double scale = kZeroShotScale);

}  // namespace tessera
