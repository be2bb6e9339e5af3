#include "models/parts/drawn.h"

#include "nn/init.h"

namespace tessera {
namespace {

bool is_embedding_table(const std::string& name) {
  for (const char* table : {"word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight",
                            "mask_embedding.weight"})
    if (name.ends_with(table)) return true;
  return false;
}

}  // namespace

ParameterVisitor drawing(const DrawnValues& how) {
  return [how](const std::string& name, Variable& parameter) {
    if (parameter.shape().dim() < 2) return;
    if (how.fan_in && !is_embedding_table(name))
      init_fan_in_(parameter, name, how.seed);
    else
      init_normal_(parameter, name, how.seed, how.deviation);
  };
}

void centre_places(Linear& projection, std::span<const double> middle) {
  const std::vector<float> weights = projection.weight.value().to_vector<float>();
  check(projection.weight.size(1) == std::ssize(middle), "places: a projection of ", projection.weight.size(1),
        " numbers, expected ", middle.size());
  float* bias = projection.bias.mutable_value().mutable_data<float>();
  for (size_t i = 0; i < weights.size() / middle.size(); ++i) {
    double sum = 0;
    for (size_t k = 0; k < middle.size(); ++k) sum += static_cast<double>(weights[i * middle.size() + k]) * middle[k];
    bias[i] = static_cast<float>(-sum);
  }
}

}  // namespace tessera
