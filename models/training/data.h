// The captions and pictures that a system is trained and measured on, opened as its settings name them.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "data/quarantine.h"
#include "data/samples.h"
#include "models/training/settings.h"

namespace tessera {

// What a task may keep: all of it outlives the task.
struct SystemData {
  const SampleSource& train;
  const SampleSource& validation;
  const Wordpiece& vocabulary;  // of the sources
  Quarantine& quarantine;
};

class SystemSplits {
 public:
  struct Split {
    std::unique_ptr<Dataset> dataset;
    std::unique_ptr<SampleSource> source;
  };

  // The words are data.vocabulary's, else those beside the captions, else those of the run's checkpoint, else made of
  // the captions. Opens what only the end of the run reads, too: a mistake there should not cost a training.
  SystemSplits(const SystemSettings& settings, const std::optional<std::filesystem::path>& checkpoint, int64_t patch,
               int64_t max_length, std::ostream& log);

  SystemData data(Quarantine& quarantine) const {
    return {*train_.source, *validation_.source, *vocabulary_, quarantine};
  }
  const SampleSource& train() const { return *train_.source; }
  const Wordpiece& vocabulary() const { return *vocabulary_; }
  // Says on how many captions.
  Split test(std::ostream& log) const;
  Split unseen() const;

 private:
  Split ready(Dataset dataset) const;

  SystemSettings settings_;
  SampleOptions options_;
  std::unique_ptr<Wordpiece> vocabulary_;
  Split train_, validation_;
};

}  // namespace tessera
