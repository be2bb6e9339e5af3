// UNITER's configuration: the published JSON, BERT's fields and those of regions.
#pragma once

#include <string>

#include "models/parts/bert.h"

namespace tessera {

struct UniterConfig {
  // Of bert-base-cased.
  BertConfig bert{.vocab_size = 28996};
  int64_t img_dim = 2048;        // of a region's features
  int64_t img_label_dim = 1601;  // classes of regions, 0 being background
  int64_t num_answers = 3129;

  // Throws an error that names the first field with an impossible value.
  void validate() const;
  // Unknown fields are ignored; a wrong type is an error that names `origin` and field.
  static UniterConfig from_json(const std::string& text, const std::string& origin);
  // With the fields that the published JSON lacks (the code gives them): img_dim, img_label_dim, num_answers.
  std::string to_json() const;
};

}  // namespace tessera
