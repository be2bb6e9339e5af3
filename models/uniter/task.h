// UNITER's pre-training as a task (train/learner.h, train/task.h), on captions and the regions of their pictures.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "models/parts/drawn.h"
#include "models/uniter/objectives.h"
#include "nn/adamw.h"

namespace tessera {

struct UniterTaskOptions {
  UniterConfig model;
  UniterMix mix;
  RegionCollatorOptions collator;
  DrawnValues drawn;
  bool centred_places = false;  // models/parts/drawn.h
  GroupFunction group = default_group;
  Device device = {};
  DType activations = DType::f32;  // or bf16: nn/precision.h
  bool checkpoint_blocks = false;
};

// What is given must outlive the task.
class UniterTask {
 public:
  using Batch = UniterTaskBatch;

  UniterTask(const UniterTaskOptions& options, const SampleSource& train, RegionLookup regions, Quarantine& quarantine,
             Share share = {});

  // The micro-batches of step `number`, counted from 0. Thread-safe.
  std::vector<Batch> step(int64_t number) const;

  UniterWithHeads& model() { return model_; }
  DType activations() const { return options_.activations; }
  ParameterSet& parameters() { return parameters_; }
  FigureTable figure_table() const { return uniter_figures(options_.mix); }
  ParameterGroup group(const std::string& name, const Variable& parameter) const {
    return options_.group(name, parameter);
  }
  std::set<std::string> trained() const;
  std::vector<int64_t> divisors(const Batch& batch) const { return uniter_divisors(batch); }
  Losses losses(const Batch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const;
  std::string samples(std::span<const Batch> step) const;

  // Of each pair, how much rather they belong together: the difference of the two logits of matching; more than 0 means
  // yes. Pictures are those of `source`.
  std::vector<double> match_scores(const SampleSource& source, std::span<const RegionQuestion> pairs) const;
  // Of each question, whose text has masked places, the likeliest id at each of them, in their order.
  std::vector<std::vector<int64_t>> told_words(const SampleSource& source,
                                               std::span<const RegionQuestion> questions) const;

  // config.json, model.safetensors under the published names, vocab.txt (models/uniter/files.h reads them).
  void save(const std::filesystem::path& folder) const;
  std::function<void()> open(const std::filesystem::path& folder);
  std::string remarks() const { return collator_.remarks(); }

 private:
  ForwardContext context() const { return {.activations = options_.activations}; }
  template <class Use>
  void in_slices(const SampleSource& source, std::span<const RegionQuestion> questions, const Use& use) const;

  UniterTaskOptions options_;
  RegionCollator collator_;
  UniterWithHeads model_;
  ParameterSet parameters_;
};

}  // namespace tessera
