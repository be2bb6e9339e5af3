// ViLBERT's pre-training as a task (train/learner.h, train/task.h), on captions and the regions of their pictures.
#pragma once

#include <filesystem>
#include <functional>

#include "models/parts/drawn.h"
#include "models/vilbert/objectives.h"
#include "nn/adamw.h"

namespace tessera {

struct VilbertTaskOptions {
  VilbertConfig model;
  VilbertWeights weights;
  RegionCollatorOptions collator;
  DrawnValues drawn;
  bool centred_places = false;  // models/parts/drawn.h
  GroupFunction group = default_group;
  Device device = {};
  bool checkpoint_blocks = false;
};

// What is given must outlive the task.
class VilbertTask {
 public:
  using Batch = VilbertTaskBatch;

  VilbertTask(const VilbertTaskOptions& options, const SampleSource& train, RegionLookup regions,
              Quarantine& quarantine, Share share = {});

  // The micro-batches of step `number`, counted from 0. Thread-safe.
  std::vector<Batch> step(int64_t number) const;

  VilbertPretraining& model() { return model_; }
  ParameterSet& parameters() { return parameters_; }
  FigureTable figure_table() const { return vilbert_figures(options_.weights); }
  ParameterGroup group(const std::string& name, const Variable& parameter) const {
    return options_.group(name, parameter);
  }
  std::set<std::string> trained() const;
  std::vector<int64_t> divisors(const Batch& batch) const { return vilbert_divisors(batch); }
  Losses losses(const Batch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const;
  std::string samples(std::span<const Batch> step) const;

  // As of UniterTask (models/uniter/task.h).
  std::vector<double> match_scores(const SampleSource& source, std::span<const RegionQuestion> pairs) const;
  std::vector<std::vector<int64_t>> told_words(const SampleSource& source,
                                               std::span<const RegionQuestion> questions) const;

  // config.json, model.safetensors under the published names, vocab.txt (models/vilbert/files.h reads them).
  void save(const std::filesystem::path& folder) const;
  std::function<void()> open(const std::filesystem::path& folder);
  std::string remarks() const { return collator_.remarks(); }

 private:
  template <class Use>
  void in_slices(const SampleSource& source, std::span<const RegionQuestion> questions, const Use& use) const;

  VilbertTaskOptions options_;
  RegionCollator collator_;
  VilbertPretraining model_;
  ParameterSet parameters_;
};

}  // namespace tessera
