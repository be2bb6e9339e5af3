// What fine-tuning does around the loop (vilt/tasks/training.h): its data and answers, and its figures at the end.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vilt/tasks/finetuning_run.h"
#include "vilt/tasks/trainer.h"

namespace tessera {

class FinetuningJob {
 public:
  using Task = FinetuningRun;

  FinetuningJob(Settings& settings, const TrainOptions& options, std::ostream& log);

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
  struct Split {
    DownstreamPart part;
    std::unique_ptr<DownstreamSource> source;
  };
  Split ready(DownstreamPart part, Unanswerable rule) const;

  Settings& settings_;
  std::ostream& log_;
  const DownstreamTask& task_;
  std::unique_ptr<Wordpiece> vocabulary_;
  std::vector<std::string> labels_;
  AnswerTable table_;
  DownstreamPart train_part_;
  Split train_, validation_;
};

}  // namespace tessera
