// What pre-training does around the loop (vilt/tasks/training.h): its data, and its figures at the end.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/trainer.h"

namespace tessera {

class PretrainingJob {
 public:
  using Task = PretrainingRun;

  PretrainingJob(Settings& settings, const TrainOptions& options, std::ostream& log)
      : settings_(settings), options_(options), log_(log) {}

  std::string described() const;
  void prepare(const std::optional<std::filesystem::path>& checkpoint, LoadedModel* initial);
  void open();
  Task task(const LoadedModel* initial, Quarantine& quarantine) const;
  std::string samples() const;
  std::vector<std::string> notes() const;
  std::map<std::string, std::string> fingerprint() const;
  const Wordpiece& vocabulary() const { return *vocabulary_; }
  Summary finish(Task& task, const RunFacts& facts);

 private:
  // A split of the data set, ready to draw from.
  struct Split {
    Dataset dataset;
    std::unique_ptr<SampleSource> source;
  };
  void open_source(Split& split) const;
  void check_unseen(const Dataset& unseen) const;

  Settings& settings_;
  const TrainOptions& options_;
  std::ostream& log_;
  std::unique_ptr<Wordpiece> vocabulary_;
  Dataset train_set_;  // empty where shards are trained on
  std::unique_ptr<PairSource> train_;
  std::map<std::string, std::string> shards_fingerprint_;
  Split validation_;
};

}  // namespace tessera
