#include "vilt/tasks/trainer.h"

#include "train/training.h"
#include "vilt/tasks/finetuning_job.h"
#include "vilt/tasks/pretraining_job.h"

namespace tessera {
namespace {

template <class Job>
Summary train_by(Settings settings, const TrainOptions& options) {
  Job job(std::move(settings), options);
  return Training<Job>(job, options).go();
}

// The tasks by their names in settings.
struct TaskKind {
  const char* name;
  Summary (*train)(Settings settings, const TrainOptions& options);
};
constexpr TaskKind kTaskKinds[] = {
    {"pretraining", train_by<PretrainingJob>},
    {"vqa", train_by<FinetuningJob>},
    {"nlvr2", train_by<FinetuningJob>},
    {"retrieval", train_by<FinetuningJob>},
};

}  // namespace

Summary train(Settings settings, const TrainOptions& options) {
  std::string names;
  for (const TaskKind& kind : kTaskKinds) {
    if (settings.train.task == kind.name) return kind.train(std::move(settings), options);
    names += text(names.empty() ? "" : ", ", kind.name);
  }
  fail("setting 'train.task' is '", settings.train.task, "', expected one of: ", names);
}

}  // namespace tessera
