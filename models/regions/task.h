// The detector as a task (train/learner.h, train/task.h): it learns the boxes of a data set's annotations.
//
// A loss of a step is the mean over its pictures of what it is for each micro-batch, weighted by its pictures. Where
// every picture has as many samples (config.anchors.count and config.regions.count, if there are so many boxes to
// choose from) that is torchvision's mean over all samples, and micro-batches do not show in it. They do in the batch's
// statistics, where these are used: each micro-batch is normalised by its own.
#pragma once

#include <memory>

#include "data/quarantine.h"
#include "data/sampler.h"
#include "data/step_images.h"
#include "models/regions/evaluation.h"
#include "train/task.h"

namespace tessera {

struct RegionsTaskOptions {
  RegionsConfig model;  // the numbers of classes and attributes are taken from the labels
  RegionKeys keys;
  int64_t batch_size = 16;       // pictures of a step
  int64_t accumulate = 1;        // micro-batches that it is cut into, each of as many pictures
  bool batch_statistics = true;  // of the backbone's normalisation; false: the running ones, which do not move
  int64_t evaluate_samples = 0;  // pictures; 0: all
  uint64_t seed = 0;
  Device device = {};
};

// The detector of the built-in scenes: pictures of 64 to 96 pixels as they are, objects of 16 to 32.
RegionsConfig scenes_detector();

class RegionsTask {
 public:
  struct Batch {
    PictureBatch pictures;
    std::vector<TrueBoxes> truths;
    std::vector<int64_t> images;  // of the data set
    int64_t step = 0, part = 0;   // from which what is trained on is chosen
  };

  // `train`, and `validation` and `quarantine`, which may be null, must outlive the task. The labels are those of
  // `train`. A picture that cannot be decoded goes into the quarantine, and another is drawn for it; without one it is
  // an error.
  RegionsTask(const RegionsTaskOptions& options, const SampleSource& train, const SampleSource* validation = nullptr,
              Quarantine* quarantine = nullptr);

  const FasterRcnn& model() const { return *model_; }
  const RegionLabels& labels() const { return labels_; }
  ParameterSet& parameters() { return *parameters_; }
  FigureTable figure_table() const;
  // Biases, norms and the table of classes are not decayed.
  ParameterGroup group(const std::string& name, const Variable& parameter) const;
  std::optional<std::set<std::string>> trained() const { return std::nullopt; }
  std::vector<int64_t> divisors(const Batch& batch) const { return {static_cast<int64_t>(batch.images.size())}; }
  Losses losses(const Batch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const;
  std::string samples(std::span<const Batch> step) const;

  std::vector<Batch> step(int64_t number) const;
  Evaluated evaluate() const;
  void save(const std::filesystem::path& folder) const;
  std::function<void()> open(const std::filesystem::path& folder);
  std::string remarks() const { return ""; }

 private:
  // The picture itself, or, if it cannot be decoded, another one.
  int64_t usable_image(int64_t image, int64_t step, int64_t slot, StepImages& images) const;

  RegionsTaskOptions options_;
  const SampleSource& train_;
  const SampleSource* validation_;
  RegionLabels labels_;
  std::unique_ptr<FasterRcnn> model_;
  std::unique_ptr<ParameterSet> parameters_;
  Sampler sampler_;
  Quarantine strict_{0, {}};  // lets nothing pass
  Quarantine* quarantine_;
};

}  // namespace tessera
