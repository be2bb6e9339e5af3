// The pre-training tasks on regions, small enough for unit tests, on the tiny scenes.
#pragma once

#include "models/uniter/task.h"
#include "models/vilbert/task.h"
#include "tests/models/scene_regions.h"
#include "tests/tiny_scenes.h"

namespace tessera::tests {

// The training split as a source, and its regions.
struct RegionScenes {
  Dataset dataset = tiny_scenes().open("train");
  SampleSource source{dataset, tiny_scenes().vocabulary(), TinyScenes::sample_options()};
  RegionLookup lookup = scene_regions(dataset);
  std::vector<std::string> reports;
  Quarantine quarantine{100, [this](const std::string& line) { reports.push_back(line); }};
};

inline RegionCollatorOptions region_collator_options(int64_t batch = 8, int64_t accumulate = 1) {
  RegionCollatorOptions options;
  options.batch_size = batch;
  options.seed = 11;
  options.accumulate = accumulate;
  options.sibling_negatives = 0.5;
  options.masking.region_rate = 0.3;
  return options;
}

inline BertConfig tiny_bert(int64_t layers = 2) {
  return {.vocab_size = static_cast<int64_t>(tiny_scenes().vocabulary().size()),
          .hidden_size = 16,
          .num_hidden_layers = layers,
          .num_attention_heads = 2,
          .intermediate_size = 24,
          .max_position_embeddings = 40,
          .hidden_dropout_prob = 0,
          .attention_probs_dropout_prob = 0};
}

inline UniterTaskOptions uniter_options(const RegionCollatorOptions& collator = region_collator_options()) {
  UniterTaskOptions options;
  options.model.bert = tiny_bert();
  options.model.img_dim = kSceneChannels;
  options.model.img_label_dim = kSceneClasses;
  options.mix.shares = {1, 1, 1, 1, 1};
  options.collator = collator;
  options.drawn = {.fan_in = true, .seed = 4};
  return options;
}

inline VilbertTaskOptions vilbert_options(const RegionCollatorOptions& collator = region_collator_options()) {
  VilbertTaskOptions options;
  VilbertConfig& model = options.model;
  model.text = tiny_bert();
  model.v_feature_size = kSceneChannels;
  model.v_target_size = kSceneClasses;
  model.v_hidden_size = 12;
  model.v_num_hidden_layers = 1;
  model.v_num_attention_heads = 2;
  model.v_intermediate_size = 20;
  model.v_hidden_dropout_prob = model.v_attention_probs_dropout_prob = 0;
  model.bi_hidden_size = 16;
  model.bi_num_attention_heads = 2;
  model.v_biattention_id = {0};
  model.t_biattention_id = {1};
  options.collator = collator;
  options.collator.masking.region_shown = 0.1;
  options.drawn = {.fan_in = true, .seed = 4};
  return options;
}

inline UniterTask task_of(RegionScenes& scenes, const UniterTaskOptions& options, Share share = {}) {
  return {options, scenes.source, scenes.lookup, scenes.quarantine, share};
}
inline VilbertTask task_of(RegionScenes& scenes, const VilbertTaskOptions& options, Share share = {}) {
  return {options, scenes.source, scenes.lookup, scenes.quarantine, share};
}

// The first step, from `from` on, that has this task.
inline int64_t step_with(const UniterTaskOptions& options, UniterObjective objective, int64_t from = 0) {
  while (options.mix.drawn(options.collator.seed, from) != objective) ++from;
  return from;
}

}  // namespace tessera::tests
