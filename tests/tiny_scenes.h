// A few scenes of the built-in data set as files, their vocabulary, and settings of a model small enough for unit
// tests.
#pragma once

#include <memory>

#include "data/samples.h"
#include "data/scenes/scenes.h"
#include "data/text/vocabulary.h"
#include "tests/temporary_directory.h"

namespace tessera::tests {

class TinyScenes {
 public:
  static constexpr int kTrain = 40, kTest = 40;

  TinyScenes() {
    ScenesOptions options;
    options.train = kTrain;
    options.val = 8;
    options.test = kTest;
    options.test_unseen = 4;
    options.threads = 1;
    write_scenes(folder(), options);
    VocabularyTrainer trainer;
    const Dataset dataset = open("train");
    for (const DatasetSentence& sentence : dataset.sentences()) trainer.add(sentence.text);
    trainer.count_words_once();
    vocabulary_ = std::make_unique<Wordpiece>(
        trainer.train(static_cast<size_t>(recommended_vocabulary_size(ScenesKind::scenes))));
    write_vocabulary(folder() / "vocab.txt", vocabulary_->tokens());
  }

  std::filesystem::path folder() const { return directory_.path() / "scenes"; }
  const Wordpiece& vocabulary() const { return *vocabulary_; }
  Dataset open(const std::string& split, bool annotated = true) const {
    DatasetOptions options;
    options.splits = {split};
    if (annotated) options.annotations = folder() / "annotations.jsonl";
    return Dataset::open(folder() / "dataset.json", folder() / "images", options);
  }
  static SampleOptions sample_options() {
    SampleOptions options;
    options.resize = false;
    options.patch = 16;
    return options;
  }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Wordpiece> vocabulary_;
};

// Written when first asked for, once per program.
inline const TinyScenes& tiny_scenes() {
  static const TinyScenes scenes;
  return scenes;
}

}  // namespace tessera::tests
