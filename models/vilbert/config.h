// ViLBERT's configuration, with the fields of the published JSON files. The defaults are those of the base model with
// six connections.
#pragma once

#include <string>
#include <vector>

#include "models/parts/bert.h"

namespace tessera {

struct VilbertConfig {
  BertConfig text;
  // Of the pictures' stream.
  int64_t v_feature_size = 2048;  // of a region, as the detector gives it
  int64_t v_target_size = 1601;   // classes of the detector
  int64_t v_hidden_size = 1024;
  int64_t v_num_hidden_layers = 6;
  int64_t v_num_attention_heads = 8;
  int64_t v_intermediate_size = 1024;
  double v_hidden_dropout_prob = 0.1, v_attention_probs_dropout_prob = 0.1;
  // Of the co-attention, and of what both poolers give.
  int64_t bi_hidden_size = 1024;
  int64_t bi_num_attention_heads = 8;
  // Co-attention layer i stands before layer v_biattention_id[i] of the pictures and t_biattention_id[i] of the text.
  std::vector<int64_t> v_biattention_id{0, 1, 2, 3, 4, 5}, t_biattention_id{6, 7, 8, 9, 10, 11};
  int64_t num_answers = 3129;  // of the head for VQA

  // Throws an error that names the first field with an impossible value.
  void validate() const;
  // Unknown fields are ignored, missing ones have the defaults; errors begin with `origin`.
  static VilbertConfig from_json(const std::string& text, const std::string& origin);
  std::string to_json() const;
};

// One step through both streams.
struct VilbertStep {
  enum class Kind : uint8_t { text, vision, both } kind;
  size_t layer;
  bool operator==(const VilbertStep&) const = default;
};
// For each co-attention layer the pictures' layers before it, the text's before it, and itself; then what is left.
std::vector<VilbertStep> vilbert_schedule(const VilbertConfig& config);

}  // namespace tessera
