// What an object is like, beside what it is (Anderson et al., CVPR 2018): of a region's features and of the table row
// of its class one hidden layer, and of it the attributes. Training takes the true class, use the likeliest. Because
// the attributes are read from them, features tell red from blue, which the classes alone would not teach them.
//
// Parameters have the published Caffe names: cls_embedding, fc_attr, attr_score.
#pragma once

#include <vector>

#include "nn/linear.h"

namespace tessera {

struct AttributeHead {
  Variable table;  // [classes, size]
  Linear hidden, scores;

  AttributeHead(int64_t features, int64_t classes, int64_t attributes);
  // features [n, features], labels: of each row its class → [n, attributes].
  Variable operator()(const Variable& features, const std::vector<int64_t>& labels) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
