#include "models/clip/zero_shot.h"

#include <string_view>

#include "autograd/functions.h"

namespace tessera {

std::vector<std::string> prompts_of(const std::string& name, const std::vector<std::string>& templates) {
  constexpr std::string_view kPlace = "{}";
  std::vector<std::string> out;
  for (const std::string& each : templates) {
    const size_t at = each.find(kPlace);
    check(at != std::string::npos, "template '", each, "' has no {} for the name of a class");
    out.push_back(each.substr(0, at) + name + each.substr(at + kPlace.size()));
  }
  return out;
}

Tensor class_embeddings(const Tensor& features, int64_t templates) {
  check(features.dim() == 2 && templates > 0 && features.size(0) % templates == 0, "zero-shot: features are ",
        features.shape(), ", expected as many rows as classes times ", templates, " templates");
  const int64_t classes = features.size(0) / templates;
  const Variable unit = l2_normalise(Variable(features));
  return l2_normalise(mean(reshape(unit, {classes, templates, features.size(1)}), 1)).value();
}

Tensor zero_shot_logits(const Tensor& image_features, const Tensor& classes, double scale) {
  return (matmul(l2_normalise(Variable(image_features)), transpose(Variable(classes), 0, 1)) * scale).value();
}

}  // namespace tessera
