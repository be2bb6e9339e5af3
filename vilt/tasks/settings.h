// Everything that a training run can be told, with the official settings as defaults, which differ by the task. Read
// from TOML, changed by `section.key=value` on the command line, stored as the run's own TOML. A key that does not
// exist is an error that suggests the nearest one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "vilt/config.h"

namespace tessera {

struct Settings {
  // One of several data sets that are trained on together: captions and images as of Data.
  struct DataSet {
    std::string captions, images, annotations = {}, kind = "auto";
    double weight = 0;  // of its captions among those of them all; 0 for every set: by their numbers
    bool operator==(const DataSet&) const = default;
  };
  struct Data {
    std::vector<DataSet> sets;                       // instead of `captions` and `images`
    std::string captions;                            // docs/data.md has the layouts
    std::string validation_captions, test_captions;  // files of these splits; empty: data.captions has them, too
    std::string unseen_captions;                     // vqa, nlvr2: a second test file, reported apart
    std::string kind = "auto";                       // layout of the captions files; "auto": they tell themselves
    std::string images;                              // folder of the image files; of tar shards none
    std::string annotations;                         // annotations.jsonl, or empty
    std::string vocabulary;                          // vocab.txt; empty: vocab.txt beside the captions
    std::string train_split = "train";
    std::string validation_split = "val";
    std::string test_split = "test";
    std::string unseen_split;         // a second test split, reported apart ...
    std::string unseen_group;         // ... of which only captions annotated with this group count; empty: all
    int64_t shuffle_buffer = 10'000;  // of tar shards: captions that lie together, from which a step's are drawn
    int64_t cache_bytes = int64_t{1} << 30;
    int64_t workers = 1;
    int64_t prefetch = 8;         // steps
    int64_t max_bad_files = 100;  // more stop the run
  } data;
  struct Image {
    std::string resize = "shorter";    // or "none": native size, sides must be multiples of the patch
    int64_t shorter = 384;             // pixels
    double mean = 0.5, std = 0.5;      // of pixel values scaled to 0..1
    int64_t max_patches = 200;         // more are sampled in training; 0: no limit
    std::string augment = "none";      // of training images: or "randaugment"
    bool respect_orientation = false;  // turn pictures as their EXIF tag says
  } image;
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
  struct Optimizer {
    std::string variant = "transformers";  // or "torch"
    double learning_rate = 1e-4;
    double beta1 = 0.9, beta2 = 0.98, eps = 1e-8, weight_decay = 0.01;
    double patch_projection_factor = 1;  // learning-rate factor of the patch projection
    double head_factor = 1;              // of the heads
    double warmup = 0.1;                 // share of the steps
    double power = 1, end_learning_rate = 0;
    double clip = 0;  // largest global gradient norm; 0: none
  } optimizer;
  struct Train {
    std::string task = "pretraining";  // what is trained: a row of vilt/tasks/trainer.cpp
    std::string init_from;             // weights to begin with (vilt/tasks/initial_weights.h); empty: drawn ones
    int64_t epochs = 0;  // of a downstream task: how often training sees its samples, instead of `steps`; 0: `steps`
    int64_t steps = 100000;
    std::string extend = "rescale";      // or "constant": the schedule of a run that gets more steps (train/run.h)
    int64_t test_samples = 2000;         // captions of the evaluation at the end, for each split; 0: all
    std::string changed_data = "error";  // or "continue": what a run does whose data have changed since it began
    int64_t batch_size = 32;             // pairs per step
    int64_t accumulate = 1;              // micro-batches per step
    std::string precision = "highest";   // or "high", "tf32" or "bf16": nn/precision.h
    bool checkpoint_blocks = false;      // keep the input of each block alone and compute the rest again in backward
    int64_t seed = 0;
    double curriculum = 0;         // share of the steps that use the curriculum group only (needs annotations)
    std::string curriculum_group;  // the `group` of those samples
    int64_t log_every = 20, evaluate_every = 1000, checkpoint_every = 1000;  // steps; the last two 0: only at the end
    bool tensorboard = true;                                                 // metrics as a file for TensorBoard, too
    int64_t tensorboard_pictures = 4;  // of each evaluation, with where words look; 0: none
    int64_t evaluate_samples = 400;    // of the validation split during training; 0: all
    std::string device = "cpu";        // or "cuda": tensor/device.h
    bool cuda_graph = false;           // on a GPU: a step is given to it as one CUDA graph
    int64_t threads = 0;               // 0: as many as cores
    std::string out = "runs/vilt";
    std::string title;  // of the report
  } train;

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
  std::vector<std::pair<std::string, std::string>> listed() const;
  // Errors for values that cannot be, before anything is written.
  void validate() const;
};

// data.vocabulary, or where there is none vocab.txt beside the captions.
std::filesystem::path vocabulary_path(const Settings& settings);

}  // namespace tessera
