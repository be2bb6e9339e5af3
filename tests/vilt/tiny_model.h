// Settings, batches and tensors for tests of the whole model: 16 wide, two layers, the tiny scenes.
#pragma once

#include <algorithm>
#include <cmath>

#include "tests/tiny_scenes.h"
#include "train/checkpoint.h"
#include "vilt/files/model_folder.h"
#include "vilt/initialise.h"
#include "vilt/input/collator.h"
#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/settings.h"

namespace tessera::tests {

inline Settings tiny_settings() {
  const TinyScenes& scenes = tiny_scenes();
  Settings settings;
  settings.data.captions = scenes.folder() / "dataset.json";
  settings.data.images = scenes.folder() / "images";
  settings.data.annotations = scenes.folder() / "annotations.jsonl";
  settings.data.unseen_split = "test_unseen";
  settings.image.resize = "none";
  settings.image.shorter = 64;
  settings.image.mean = 0.2;
  settings.image.std = 0.25;
  settings.model.hidden_size = 16;
  settings.model.num_hidden_layers = 2;
  settings.model.num_attention_heads = 2;
  settings.model.intermediate_size = 32;
  settings.model.image_size = 96;
  settings.model.patch_size = 16;
  settings.model.hidden_dropout_prob = 0;
  settings.model.vocab_size = static_cast<int64_t>(scenes.vocabulary().size());
  settings.init.linear = "fan_in";
  settings.init.positions = "cosine";
  settings.objectives.masking = "strict";
  settings.objectives.mask_rate = 0.4;
  settings.objectives.content_first = 0.5;
  settings.objectives.sibling_negatives = 0.5;
  settings.optimizer.variant = "torch";
  settings.optimizer.learning_rate = 2e-3;
  settings.train.steps = 8;
  settings.train.batch_size = 4;
  settings.train.evaluate_every = 0;
  settings.train.checkpoint_every = 0;
  settings.train.evaluate_samples = 4;
  return settings;
}

// The batches of a run with these settings.
class Batches {
 public:
  explicit Batches(const Settings& settings)
      : dataset_(tiny_scenes().open(settings.data.train_split)),
        source_(dataset_, tiny_scenes().vocabulary(), sample_options(settings)),
        quarantine_(0, {}),
        collator_(source_, collator_options(settings), quarantine_) {}
  std::vector<PretrainBatch> step(int64_t number) const { return collator_.step(number); }

 private:
  Dataset dataset_;
  SampleSource source_;
  Quarantine quarantine_;
  Collator collator_;
};

// A model with its parameters in f32 or f64. Biases and LayerNorms are moved from 0 and 1, so that errors in them show.
struct TinyModel {
  ViltWithHeads model;
  std::unique_ptr<ParameterSet> parameters;

  TinyModel(const Settings& settings, DType dtype, uint64_t seed = 1) : model(settings.model) {
    initialise(model, settings.init, seed);
    parameters = std::make_unique<ParameterSet>(model, dtype);
    Random random(seed, 99);
    for (const ParameterSet::Slot& slot : parameters->slots()) {
      if (slot.parameter.shape().dim() > 1) continue;
      Tensor values = slot.parameter.value();
      for (int64_t i = 0; i < values.numel(); ++i) {
        if (dtype == DType::f64)
          values.mutable_data<double>()[i] += 0.1 * random.normal();
        else
          values.mutable_data<float>()[i] += static_cast<float>(0.1 * random.normal());
      }
    }
  }
};

inline std::vector<double> values_of(const Tensor& tensor) { return tensor.to(DType::f64).to_vector<double>(); }

inline double largest(const std::vector<double>& values) {
  double out = 0;
  for (const double v : values) out = std::max(out, std::abs(v));
  return out;
}

// The largest difference, as a share of the largest of `expected` (or of `scale`, if that is larger).
inline double relative_difference(const std::vector<double>& got, const std::vector<double>& expected,
                                  double scale = 0) {
  if (got.size() != expected.size()) return INFINITY;
  double difference = 0;
  for (size_t i = 0; i < got.size(); ++i) difference = std::max(difference, std::abs(got[i] - expected[i]));
  const double size = std::max(largest(expected), scale);
  return difference == 0 ? 0 : difference / size;
}

// A learner with the task that it learns.
class PretrainLearner {
 public:
  explicit PretrainLearner(const Settings& settings) : task_(settings), learner_(task_, learner_options(settings)) {}
  Figures update(const std::vector<PretrainBatch>& step) { return learner_.update(step); }
  std::optional<FailedStep> read_figures(Figures& sum) { return learner_.read_figures(sum); }
  [[noreturn]] void explain_non_finite(const std::vector<PretrainBatch>& step, const FailedStep& failed) {
    learner_.explain_non_finite(step, failed);
  }
  int64_t updates() const { return learner_.updates(); }
  Pretraining& task() { return task_; }
  ViltWithHeads& model() { return task_.model(); }
  ParameterSet& parameters() { return task_.parameters(); }
  AdamW& optimizer() { return learner_.optimizer(); }
  const PolynomialSchedule& schedule() const { return learner_.schedule(); }

 private:
  Pretraining task_;
  Learner<Pretraining> learner_;
};

// A learner's checkpoint, as a run writes and reads it.
inline void save_run(const std::filesystem::path& run, const TrainingState& state, PretrainLearner& learner,
                     const Settings& settings) {
  save_checkpoint(run, state, learner.optimizer(), [&](const std::filesystem::path& folder) {
    save_model_folder(folder, settings.model, sample_options(settings), tiny_scenes().vocabulary(),
                      learner.parameters());
  });
}
inline void load_run(const std::filesystem::path& checkpoint, const Settings& settings, PretrainLearner& learner) {
  load_checkpoint(checkpoint, learner.optimizer(), [&](const std::filesystem::path& folder) {
    return open_model_folder(folder, settings.model, learner.parameters());
  });
}

// Parameters and both moments of a learner, bit by bit.
inline std::map<std::string, std::vector<float>> everything(PretrainLearner& learner) {
  std::map<std::string, std::vector<float>> out;
  for (const auto& [name, tensor] : learner.parameters().state()) out[name] = tensor.to_vector<float>();
  for (const auto& [name, tensor] : learner.optimizer().state())
    if (tensor.dtype() == DType::f32) out[name] = tensor.to_vector<float>();
  return out;
}

}  // namespace tessera::tests
