// A run without training: a few scenes, two random models, invented curves. What a report needs, made in a second.
#pragma once

#include <cmath>
#include <fstream>
#include <memory>

#include "data/scenes/scenes.h"
#include "data/text/vocabulary.h"
#include "nn/init.h"
#include "nn/parameter.h"
#include "vilt/report/report.h"

namespace tessera::tests {

inline ModelConfig tiny_config(const Wordpiece& vocabulary) {
  ModelConfig config;
  config.vocab_size = static_cast<int64_t>(vocabulary.size());
  config.hidden_size = 16;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.intermediate_size = 32;
  config.image_size = 96;
  config.patch_size = 16;
  return config;
}

inline std::unique_ptr<ViltWithHeads> random_model(const ModelConfig& config, uint64_t seed) {
  auto model = std::make_unique<ViltWithHeads>(config);
  model->visit("", [&](const std::string& name, Variable& parameter) { init_normal_(parameter, name, seed, 0.3); });
  return model;
}

inline Wordpiece vocabulary_of(const Dataset& dataset) {
  VocabularyTrainer trainer;
  for (const DatasetSentence& sentence : dataset.sentences()) trainer.add(sentence.text);
  return Wordpiece(trainer.train(90));
}

// Curves of a run of 2,000 steps, with gaps: a figure that is null, a line that is cut off.
inline void write_invented_metrics(const std::filesystem::path& path) {
  std::ofstream out(path);
  for (int step = 20; step <= 2000; step += 20) {
    const double noise = 0.08 * std::sin(step * 12.9898), decay = std::exp(-step / 600.0);
    out << R"({"step":)" << step << R"(,"seconds":)" << 0.03 * step << R"(,"learning_rate":)"
        << 0.002 * (1 - step / 2000.0) << R"(,"loss":)" << 0.6 + 4 * decay + noise << R"(,"mlm_loss":)"
        << 0.4 + 3.5 * decay + noise << R"(,"itm_loss":)" << 0.2 + 0.5 * decay + noise / 4 << R"(,"wpa_loss":)"
        << (step < 100 ? "null" : std::to_string(-0.4 * (1 - decay) + noise / 5)) << R"(,"grad_norm":)" << 1 + noise
        << R"(,"mlm_accuracy":)" << 0.9 - 0.8 * decay + noise << R"(,"itm_accuracy":)"
        << 0.95 - 0.45 * decay + noise / 3 << R"(,"samples_per_second":)" << 800 + 400 * noise
        << R"(,"data_wait_share":0.01})"
        << "\n";
    if (step % 400 == 0)
      out << R"({"step":)" << step << R"(,"seconds":)" << 0.03 * step << R"(,"evaluation":{"itm_accuracy_random":)"
          << 0.97 - 0.47 * decay << R"(,"itm_accuracy_hard":)" << 0.85 - 0.35 * decay << R"(,"mlm_accuracy_content":)"
          << 0.95 - 0.9 * decay << R"(,"mlm_accuracy_wrong_image":0.3,"pointing_attention":)" << 0.9 - 0.8 * decay
          << R"(,"pointing_plan":null,"itm_accuracy_hard_by_kind":{"colour":0.9}}})"
          << "\n";
  }
  out << R"({"step":2020,"seco)";
}

class TinyReport {
 public:
  explicit TinyReport(const std::filesystem::path& directory, bool annotated = true) : directory_(directory) {
    ScenesOptions options;
    options.train = options.val = options.test_unseen = 0;
    options.test = 12;
    options.threads = 1;
    write_scenes(directory / "scenes", options);
    open(annotated);
    write_invented_metrics(directory / "metrics.jsonl");
  }

  // Opens `captions` (Karpathy JSON) instead of the scenes' own; for captions that a test writes.
  void open(bool annotated, const std::string& captions = "dataset.json") {
    const std::filesystem::path scenes = directory_ / "scenes";
    DatasetOptions options;
    if (annotated) options.annotations = scenes / "annotations.jsonl";
    dataset_ = std::make_unique<Dataset>(Dataset::open(scenes / captions, scenes / "images", options));
    vocabulary_ = std::make_unique<Wordpiece>(vocabulary_of(*dataset_));
    SampleOptions samples;
    samples.resize = false;
    samples.patch = 16;
    source_ = std::make_unique<SampleSource>(*dataset_, *vocabulary_, samples);
    trained_ = random_model(tiny_config(*vocabulary_), 1);
    untrained_ = random_model(tiny_config(*vocabulary_), 2);
    summary_ = {};
    summary_.blocks["test"] = evaluate(*trained_, *source_);
    summary_.blocks["test_unseen"] = summary_.blocks["test"];
    summary_.blocks["untrained"] = evaluate(*untrained_, *source_);
    summary_.blocks["shuffled_caption"] = evaluate_shuffled(*trained_, *source_);
    summary_.steps = 2000;
    summary_.parameters = 12345;
    summary_.train_seconds = 75;
  }

  Settings settings;
  Summary& summary() { return summary_; }
  const Dataset& dataset() const { return *dataset_; }

  ReportInputs inputs(int examples = 3) const {
    return {settings,
            directory_ / "metrics.jsonl",
            summary_,
            *trained_,
            *untrained_,
            *source_,
            "vilt train scenes.toml train.steps=2000",
            examples};
  }

 private:
  std::filesystem::path directory_;
  std::unique_ptr<Dataset> dataset_;
  std::unique_ptr<Wordpiece> vocabulary_;
  std::unique_ptr<SampleSource> source_;
  std::unique_ptr<ViltWithHeads> trained_, untrained_;
  Summary summary_;
};

}  // namespace tessera::tests
