// Everything that a training run can be told, with the official settings as defaults, which differ by the task. Read
// from TOML, changed by `section.key=value` on the command line, stored as the run's own TOML. A key that does not
// exist is an error that suggests the nearest one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "train/settings/setting_slots.h"
#include "vilt/config.h"

namespace tessera {

struct Settings {
  DataSettings data;
  ImageSettings image;
  ModelConfig model;
  struct Init {
    std::string linear = "normal";     // normal (std), truncated_normal (std), fan_in (1 / sqrt(inputs))
    double std = 0.02;                 // also of the embeddings
    std::string positions = "normal";  // of the image: normal, cosine (smooth 2-D cosines of amplitude sqrt(2))
  } init;
  struct Objectives {
    double mlm_weight = 1, itm_weight = 1, wpa_weight = 0.1;  // 0 switches one off
    double mpp_weight = 0;            // masked patches; with a weight the model has a head for them
    double patch_mask_rate = 0.15;    // chance of a patch to be predicted
    double patch_replace_rate = 0.8;  // chance of such a patch to be hidden
    double ipot_beta = 0.5;
    int64_t ipot_iterations = 50;
    std::string masking = "official";  // or "strict"
    double mask_rate = 0.15;
    double content_first = 0;              // chance that content words are masked before others (needs annotations)
    double sibling_negatives = 0;          // share of false images that are the sibling's (needs annotations)
    std::string false_images = "dataset";  // or "batch"
  } objectives;
  struct Downstream {              // vilt/tasks/downstream.h
    int64_t least_answers = 9;     // vqa: an answer of the table is the majority's so often
    int64_t false_texts = 15;      // retrieval: captions that a picture's own is compared with
    double sibling_negatives = 0;  // chance that one of them is the sibling's (needs annotations)
  } downstream;
  OptimizerSettings optimizer;
  TrainSettings train;

  // Pre-training's are those above. Fine-tuning's: 10 epochs of all patches of augmented pictures, batches of 256
  // (NLVR2: 128), a rate ten times as high for the answers of VQA; retrieval
  // is measured on fewer pictures.
  static Settings defaults_of(const std::string& task);

  static Settings from_toml(const std::filesystem::path& path, const std::vector<std::string>& overrides = {});
  static Settings from_text(const std::string& toml, const std::string& origin,
                            const std::vector<std::string>& overrides = {});
  // Applies one `section.key=value`.
  void set(const std::string& assignment);
  std::string to_toml() const;
  // Every setting by its dotted key with its value as TOML, in the order in which to_toml writes them.
  ListedSettings listed() const;
  // Errors for values that cannot be, before anything is written.
  void validate() const;
};

}  // namespace tessera
