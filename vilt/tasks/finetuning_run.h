// A downstream task as a whole run (train/task.h): with data, evaluation and files.
#pragma once

#include "data/usable_pictures.h"
#include "train/task.h"
#include "vilt/tasks/downstream_collator.h"
#include "vilt/tasks/downstream_files.h"
#include "vilt/tasks/finetuning.h"

namespace tessera {

DownstreamOptions downstream_options(const Settings& settings, const AnswerTable& table);

// What is given must outlive the task.
class FinetuningRun : public Finetuning {
 public:
  // A part of the data, ready to draw from.
  struct Split {
    const DownstreamPart& part;
    const DownstreamSource& source;
  };

  FinetuningRun(const Settings& settings, const LoadedModel* weights, const Wordpiece& vocabulary,
                const std::vector<std::string>& labels, const DownstreamSource& train, Split validation,
                Quarantine& quarantine);

  std::vector<DownstreamBatch> step(int64_t number) const { return collator_.step(number); }
  Evaluated evaluate();
  void save(const std::filesystem::path& folder);
  std::function<void()> open(const std::filesystem::path& folder);
  std::string remarks() const;

 private:
  std::vector<EventImage> examples();

  Settings settings_;
  const Wordpiece& vocabulary_;
  AnswerTable table_;  // empty but for questions
  const DownstreamSource& train_;
  Split validation_;
  const Quarantine& quarantine_;
  UsablePictures usable_;  // of validation
  DownstreamCollator collator_;
};

}  // namespace tessera
