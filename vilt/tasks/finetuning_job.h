// What fine-tuning does around the loop (train/training.h): its data and answers, and its figures at the end.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vilt/tasks/finetuning_run.h"
#include "vilt/tasks/vilt_job.h"

namespace tessera {

class FinetuningJob : public ViltJob {
 public:
  using Task = FinetuningRun;

  FinetuningJob(Settings settings, const TrainOptions& options);

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
  struct Split {
    DownstreamPart part;
    std::unique_ptr<DownstreamSource> source;
  };
  Split ready(DownstreamPart part, Unanswerable rule) const;

  const DownstreamTask& task_;
  std::unique_ptr<Wordpiece> vocabulary_;
  std::vector<std::string> labels_;
  AnswerTable table_;
  DownstreamPart train_part_;
  Split train_, validation_;
};

}  // namespace tessera
