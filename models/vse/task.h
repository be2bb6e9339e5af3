// VSE++'s training as a task (train/learner.h, train/task.h): hinges over all pairs of a step, exact over micro-batches
// and ranks (train/whole_step_loss.h), first of all negatives, then of the hardest ones.
//
// Batch normalisation sees one micro-batch at a time, as everywhere: with its statistics trained, features are those of
// the micro-batches. Running statistics are a rank's own.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "models/parts/pair_draws.h"
#include "models/vse/model.h"
#include "models/vse/stored_features.h"
#include "models/vse/words.h"
#include "train/task.h"
#include "train/whole_step_loss.h"

namespace tessera {

struct VseTaskOptions {
  VseConfig config;  // with `cnn`, or without and then with `features`; `vocab` is the vocabulary's
  // Features of pictures in the place of the network (models/vse/stored_features.h), and the folder that their names
  // are relative to.
  std::filesystem::path features, image_folder;
  std::filesystem::path vocabulary;  // words.txt; empty: the words of the training captions ...
  int64_t least_count = 4;           // ... that occur so often
  // A file of weights with torchvision's names (models/parts/resnet.h) that the network begins with; empty: drawn.
  std::filesystem::path resnet;
  bool train_resnet = true;  // else it stays as it is, by its running statistics
  double margin = 0.2;
  // After so many steps the hinges are those of the hardest negatives; before, of all: from nothing, the hardest
  // negatives alone lead into a collapse (all vectors the same). 0: from the beginning; -1: never.
  int64_t hardest_from = 0;
  PairDrawOptions draws;
  Device device = {};
};

struct VseBatch {
  int64_t step = 0;             // counted from 0
  std::vector<float> pictures;  // [pictures, 3, image_size, image_size], or features [pictures, features]
  std::vector<std::vector<int64_t>> texts;
  std::vector<int64_t> sample_ids;
};

class VseTask {
 public:
  using Batch = VseBatch;

  // What is given must outlive the task.
  VseTask(const VseTaskOptions& options, const SampleSource& train, Quarantine& quarantine, Share share = {});

  const Vse& model() const { return model_; }
  const VseWords& words() const { return words_; }

  ParameterSet& parameters() { return parameters_; }
  FigureTable figure_table() const { return {{"hinge", ""}}; }
  ParameterGroup group(const std::string& name, const Variable& parameter) const;
  std::optional<std::set<std::string>> trained() const;
  std::vector<int64_t> divisors(const VseBatch& batch) const { return {static_cast<int64_t>(batch.texts.size())}; }
  void begin_step(std::span<const VseBatch> step, Communicator& ranks, TicketSource tickets);
  // The sum over the step, not a mean, as published.
  Losses losses(const VseBatch& batch, std::span<const int64_t> divisors, TicketSource& tickets);
  std::string samples(std::span<const VseBatch> step) const;

  std::vector<VseBatch> step(int64_t number) const;
  // What load_vse (models/vse/load.h) reads.
  void save(const std::filesystem::path& folder);
  std::function<void()> open(const std::filesystem::path& folder);

  // Embeddings of captions and pictures of a data set, f32 [numbers, embed]. The pictures have to be prepared as those
  // of training.
  Tensor text_vectors(const SampleSource& source, std::span<const int64_t> captions) const;
  Tensor picture_vectors(const SampleSource& source, std::span<const int64_t> images) const;
  // What such vectors say of a pair: `measure`.
  double score(const float* picture, const float* text, int64_t size) const;

 private:
  void add_pixels(const SampleSource& source, const ResizedImage& image, VseBatch& batch) const;
  void add_features(const SampleSource& source, int64_t image, VseBatch& batch) const;
  Variable picture_embeddings(const VseBatch& batch, bool training) const;
  WholeStepLoss::Features features(const VseBatch& batch) const;

  VseTaskOptions options_;
  const SampleSource& train_;
  std::optional<StoredFeatures> features_;
  VseWords words_;
  Vse model_;
  ParameterSet parameters_;
  PairDraws draws_;
  ops::Negatives negatives_ = ops::Negatives::all;  // of the step in progress
  WholeStepLoss loss_;
};

}  // namespace tessera
