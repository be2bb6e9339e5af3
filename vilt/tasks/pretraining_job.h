// What pre-training does around the loop (train/training.h): its data, and its figures at the end.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/vilt_job.h"

namespace tessera {

class PretrainingJob : public ViltJob {
 public:
  using Task = PretrainingRun;

  using ViltJob::ViltJob;

  std::string described() const;
  void begin(const std::optional<std::filesystem::path>& checkpoint);
  void open();
  Task task(Quarantine& quarantine) const;
  std::string samples() const;
  std::vector<std::string> begun(const Task& task);
  std::map<std::string, std::string> fingerprint() const;
  int64_t vocabulary_size() const { return static_cast<int64_t>(vocabulary_->size()); }
  Summary finish(Task& task, const RunFacts& facts);

 private:
  // A split of the data set, ready to draw from.
  struct Split {
    Dataset dataset;
    std::unique_ptr<SampleSource> source;
  };
  void open_source(Split& split) const;
  void check_unseen(const Dataset& unseen) const;

  std::unique_ptr<Wordpiece> vocabulary_;
  Dataset train_set_;  // empty where shards are trained on
  std::unique_ptr<PairSource> train_;
  std::map<std::string, std::string> shards_fingerprint_;
  Split validation_;
};

}  // namespace tessera
