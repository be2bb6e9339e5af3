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

}  // namespace tessera
