#include "models/regions/attributes.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr int64_t kTableSize = 256, kMostHidden = 512;  // the published sizes

}  // namespace

// No wider than the features that it reads, so that small models stay small.
AttributeHead::AttributeHead(int64_t features, int64_t classes, int64_t attributes)
    : table(zero_parameter({classes, std::min(kTableSize, features)})),
      hidden(features + std::min(kTableSize, features), std::min(kMostHidden, features)),
      scores(std::min(kMostHidden, features), attributes) {}

Variable AttributeHead::operator()(const Variable& features, const std::vector<int64_t>& labels) const {
  const Variable of_class = gather_rows({table}, Tensor::from(labels));
  return scores(relu(hidden(concatenate({features, of_class}, 1))));
}

void AttributeHead::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  visitor(join_name(prefix, "cls_embedding.weight"), table);
  hidden.visit(join_name(prefix, "fc_attr"), visitor);
  scores.visit(join_name(prefix, "attr_score"), visitor);
}

}  // namespace tessera
