#include "models/training/data.h"

#include "data/text/vocabulary.h"
#include "io/printable.h"
#include "tensor/error.h"
#include "train/sources/training_data.h"

namespace tessera {
namespace {

// As many pieces as BERT's vocabulary has; captions of a small data set have no use for so many, and fewer come of
// them.
constexpr size_t kMostPieces = 30522;

Wordpiece made_of(const Dataset& captions) {
  VocabularyTrainer trainer;
  for (const DatasetSentence& sentence : captions.sentences()) trainer.add(sentence.text);
  return Wordpiece(trainer.train(kMostPieces, 2));
}

Wordpiece words_of(const SystemSettings& settings, const std::optional<std::filesystem::path>& checkpoint,
                   const Dataset& train) {
  const std::filesystem::path given = vocabulary_path(settings.data);
  const bool there = std::filesystem::exists(given);
  check(there || settings.data.vocabulary.empty(), shown(given),
        ": no such file (setting 'data.vocabulary'); `vilt vocab` learns one from captions");
  if (there) return Wordpiece::from_file(given);
  if (checkpoint) return Wordpiece::from_file(*checkpoint / "vocab.txt");
  return made_of(train);
}

}  // namespace

SystemSplits::SystemSplits(const SystemSettings& settings, const std::optional<std::filesystem::path>& checkpoint,
                           int64_t patch, int64_t max_length, std::ostream& log)
    : settings_(settings), options_(sample_options(settings, patch, max_length)) {
  TrainingData data = open_training_data(settings.data, log);
  vocabulary_ = std::make_unique<Wordpiece>(words_of(settings, checkpoint, data.train));
  train_ = ready(std::move(data.train));
  validation_ = ready(std::move(data.validation));
}

SystemSplits::Split SystemSplits::ready(Dataset dataset) const {
  Split out{std::make_unique<Dataset>(std::move(dataset)), nullptr};
  out.source = std::make_unique<SampleSource>(*out.dataset, *vocabulary_, options_);
  return out;
}

SystemSplits::Split SystemSplits::test(std::ostream& log) const {
  Split out = ready(open_test_data(settings_.data));
  const int64_t all = out.source->captions(), limit = settings_.train.test_samples;
  const bool limited = limit > 0 && limit < all;
  log << "evaluating on " << (limited ? text(limit, " of ", all) : text(all)) << " captions of split "
      << settings_.data.test_split << (limited ? " (train.test_samples; 0: all)" : "") << std::endl;
  return out;
}

SystemSplits::Split SystemSplits::unseen() const { return ready(open_unseen_data(settings_.data)); }

}  // namespace tessera
