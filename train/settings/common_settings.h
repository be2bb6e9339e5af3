// What every training can be told, whatever it trains: data, pictures, optimiser and loop. A system adds its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/pictures.h"
#include "nn/adamw.h"
#include "nn/schedule.h"

namespace tessera {

// One of several data sets that are trained on together: captions and images as of DataSettings.
struct DataSetSettings {
  std::string captions, images, annotations = {}, kind = "auto";
  double weight = 0;  // of its captions among those of them all; 0 for every set: by their numbers
  bool operator==(const DataSetSettings&) const = default;
};

struct DataSettings {
  std::vector<DataSetSettings> sets;               // instead of `captions` and `images`
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
};

struct ImageSettings {
  std::string resize = "shorter";    // or "none": native size, sides must be multiples of the patch
  int64_t shorter = 384;             // pixels
  double mean = 0.5, std = 0.5;      // of pixel values scaled to 0..1
  int64_t max_patches = 200;         // more are sampled in training; 0: no limit
  std::string augment = "none";      // of training images: or "randaugment"
  bool respect_orientation = false;  // turn pictures as their EXIF tag says
};

struct OptimizerSettings {
  std::string variant = "transformers";  // or "torch"
  double learning_rate = 1e-4;
  double beta1 = 0.9, beta2 = 0.98, eps = 1e-8, weight_decay = 0.01;
  double patch_projection_factor = 1;  // learning-rate factor of the patch projection
  double head_factor = 1;              // of the heads
  double warmup = 0.1;                 // share of the steps
  double power = 1, end_learning_rate = 0;
  double clip = 0;  // largest global gradient norm; 0: none
};

struct TrainSettings {
  std::string task = "pretraining";  // what is trained: a row of vilt/tasks/trainer.cpp
  std::string init_from;             // weights to begin with (vilt/tasks/initial_weights.h); empty: drawn ones
  int64_t epochs = 0;                // of a downstream task: how often training sees its samples; 0: `steps` counts
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
};

// data.vocabulary, or where there is none vocab.txt beside the captions.
std::filesystem::path vocabulary_path(const DataSettings& data);

AdamWOptions adamw_options(const OptimizerSettings& settings);
// Warm-up is a share of the steps; what is left of a step is cut off, as in ViLT's published code: 0.1 of 29 are 2.
PolynomialSchedule schedule_of(const OptimizerSettings& settings, int64_t steps);

// Errors for values that cannot be. `least_size`: of a picture's shorter side.
void validate(const DataSettings& data);
void validate(const ImageSettings& image, int64_t least_size);
void validate(const OptimizerSettings& optimizer);
void validate(const TrainSettings& train, const DataSettings& data);

// For the ranges of settings: each throws an error that names the key, what it is and what was expected.
void expect_one_of(std::string_view key, const std::string& value, std::initializer_list<const char*> allowed);
void expect_at_least(std::string_view key, double value, double least);
void expect_at_least(std::string_view key, int64_t value, int64_t least);
void expect_between(std::string_view key, int64_t value, int64_t least, int64_t most);
void expect_share(std::string_view key, double value);  // 0 to 1
void expect_above_zero(std::string_view key, double value);

}  // namespace tessera
