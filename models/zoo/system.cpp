#include "models/zoo/system.h"

#include <algorithm>

#include "nn/init.h"
#include "tensor/philox.h"

namespace tessera::zoo {

const char* name_of(Role role) { return role == Role::picture ? "picture" : role == Role::text ? "text" : "fusion"; }

const std::vector<System>& systems() {
  static const std::vector<System> all{vse_system(),       clip_system(false), clip_system(true), uniter_system(36),
                                       uniter_system(100), vilbert_system(),   pixelbert_system()};
  return all;
}

void draw_parameter(const std::string& name, Variable& parameter) {
  constexpr double kBranch = 0.2;
  if (!parameter.requires_grad()) return;
  if (name.ends_with("bn3.weight")) parameter.mutable_value().fill_(kBranch);
  if (parameter.shape().dim() < 2) return;
  // Of the detector's predictors as they start when they are trained (Ren et al., 2015): hardly a preference.
  const bool predictor = name.find("rpn.head") != std::string::npos || name.find("box_predictor") != std::string::npos;
  if (predictor)
    init_normal_(parameter, name, 0, 0.01);
  else
    init_fan_in_(parameter, name, 0);
}

int64_t parameters_of(const std::function<void(const ParameterVisitor&)>& visit) {
  int64_t sum = 0;
  visit([&](const std::string&, Variable& parameter) {
    if (parameter.requires_grad()) sum += parameter.value().numel();
  });
  return sum;
}

Tensor noise(const Shape& shape, uint64_t stream) {
  Random random(1, stream);
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return Tensor::from(values, shape);
}

std::vector<int64_t> text_of(int64_t tokens, int64_t vocabulary, uint64_t stream) {
  Random random(2, stream);
  std::vector<int64_t> ids(static_cast<size_t>(tokens));
  for (int64_t& id : ids) id = static_cast<int64_t>(random.below(static_cast<uint64_t>(vocabulary)));
  return ids;
}

}  // namespace tessera::zoo
