#include "models/regions/initialise.h"

#include <cmath>

#include "nn/init.h"

namespace tessera {
namespace {

double deviation_of(const std::string& name, const Variable& parameter) {
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (has("bbox_pred")) return 0.001;
  if (has("cls_logits") || has("cls_score") || has("attr_score") || has("cls_embedding")) return 0.01;
  const double inputs = static_cast<double>(parameter.value().numel() / parameter.size(0));
  return std::sqrt((has(".fpn.") ? 1 : 2) / inputs);
}

}  // namespace

void initialise_detector(FasterRcnn& model, uint64_t seed) {
  model.visit("", [&](const std::string& name, Variable& parameter) {
    // Vectors keep what their layers give them: norms begin as ones and zeros, biases as zeros.
    if (parameter.value().dim() > 1) init_normal_(parameter, name, seed, deviation_of(name, parameter));
  });
}

}  // namespace tessera
