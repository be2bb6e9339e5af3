// What the systems that read regions of pictures share as trainings: their settings, and where the regions come from.
#pragma once

#include <algorithm>
#include <string>

#include "data/regions/region_file.h"
#include "data/text/masking.h"
#include "models/parts/drawn.h"
#include "models/parts/region_collator.h"
#include "models/training/data.h"
#include "nn/adamw.h"
#include "train/evaluation/caption_evaluation.h"

namespace tessera {

// The defaults are the published values.
struct RegionSettings {
  std::string files;               // regions.files: as of RegionFiles (data/regions/region_file.h)
  double feature_scale = 1;        // regions.feature_scale: features are multiplied by it
  double projection_factor = 1;    // regions.projection_factor: of the learning rate, of their projection
  std::string masking = "tokens";  // or "strict": whole words (data/text/masking.h)
  double mask_rate = 0.15;         // of the words
  double content_first = 0;        // with "strict": chance that annotated words come before all others
  double region_mask_rate = 0.15;  // of the regions
  double sibling_negatives = 0;    // share of false pictures that are the annotated sibling
  std::string linear = "normal";   // initial weights: or "fan_in" (models/parts/drawn.h)
  double std = 0.02;               // their deviation
  std::string places = "drawn";    // or "centred": the projection of places has an initial bias (likewise)
  int64_t max_length = 60;         // tokens of a text, [CLS] and [SEP] included

  SettingSlots slots_of_regions();     // regions.*
  SettingSlots slots_of_model();       // model.max_length
  SettingSlots slots_of_init();        // init.*
  SettingSlots slots_of_objectives();  // objectives.*
  void validate() const;
};

RegionCollatorOptions region_collator_options(const SystemSettings& settings, const RegionSettings& own,
                                              const SampleSource& train);
// `projection`: the end of the name of the weight to which regions.projection_factor belongs.
GroupFunction region_groups(const RegionSettings& own, const std::string& projection);
DrawnValues drawn_values(const SystemSettings& settings, const RegionSettings& own);

struct OpenedRegions {
  int64_t channels = 0, classes = 0;
  RegionLookup lookup;  // by the pictures' names, relative to the image folder of their data set
};
OpenedRegions open_regions(const SystemSettings& settings, const RegionSettings& own);

// What evaluations (train/evaluation/caption_evaluation.h) ask of a task on regions, in its questions. `words`: whether
// it has a head for them.
template <class Task>
NamedFigures evaluate_region_task(const Task& task, const SampleSource& source, const CaptionEvaluation& options,
                                  bool words) {
  CaptionModel model;
  model.scores = [&](const std::vector<int64_t>& captions, const std::vector<int64_t>& images) {
    std::vector<RegionQuestion> questions;
    for (size_t i = 0; i < captions.size(); ++i) questions.push_back({source.text(captions[i]).ids, images[i]});
    return task.match_scores(source, questions);
  };
  if (words)
    model.words = [&](const std::vector<MaskedWord>& masked, const std::vector<int64_t>& images) {
      std::vector<RegionQuestion> questions;
      std::vector<std::vector<int64_t>> wanted;
      for (size_t i = 0; i < masked.size(); ++i) {
        const TextSample text = source.text(masked[i].sentence);
        Masking masking = mask_one_word(text.ids, text.words, masked[i].word, source.vocabulary());
        RegionQuestion& question = questions.emplace_back(RegionQuestion{std::move(masking.ids), images[i]});
        wanted.emplace_back();
        for (size_t t = 0; t < masking.labels.size(); ++t) {
          if (masking.labels[t] == kIgnoreLabel) continue;
          question.places.push_back(static_cast<int64_t>(t));
          wanted.back().push_back(masking.labels[t]);
        }
      }
      const std::vector<std::vector<int64_t>> told = task.told_words(source, questions);
      std::vector<bool> hits;
      for (size_t i = 0; i < told.size(); ++i) hits.push_back(told[i] == wanted[i]);
      return hits;
    };
  return evaluate_captions(source, model, options);
}

}  // namespace tessera
