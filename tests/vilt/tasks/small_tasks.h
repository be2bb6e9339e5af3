// The three downstream tasks on the tiny scenes, with settings of a model small enough for unit tests.
#pragma once

#include "data/scenes/scene_tasks.h"
#include "tests/vilt/tasks/short_run.h"
#include "vilt/tasks/downstream_collator.h"
#include "vilt/tasks/finetuning_run.h"
#include "vilt/tasks/pretraining.h"

namespace tessera::small_tasks {

using namespace short_run;

inline constexpr const char* kTasks[] = {"vqa", "nlvr2", "retrieval"};

// Questions and statements about the tiny scenes.
inline const fs::path& task_files() {
  static const fs::path folder = [] {
    write_scene_tasks(tests::tiny_scenes().folder(), 0);
    return tests::tiny_scenes().folder() / "tasks";
  }();
  return folder;
}

inline Settings settings_of(const std::string& task, const fs::path& out) {
  const Settings tiny = settings_in(out);
  Settings settings = Settings::defaults_of(task);
  settings.data = tiny.data;
  settings.image = tiny.image;
  settings.model = tiny.model;
  settings.train.out = tiny.train.out;
  settings.train.epochs = 0;
  settings.train.steps = 6;
  settings.train.batch_size = 4;
  settings.train.log_every = 2;
  settings.train.evaluate_every = 4;
  settings.train.checkpoint_every = 2;
  settings.train.evaluate_samples = 6;
  settings.train.test_samples = 8;
  settings.optimizer.learning_rate = 1e-3;
  settings.downstream.least_answers = 1;
  settings.downstream.false_texts = 3;
  if (task == "vqa") {
    settings.data.captions = task_files() / "v2_OpenEnded_scenes_train_questions.json";
    settings.data.validation_captions = task_files() / "v2_OpenEnded_scenes_val_questions.json";
    settings.data.test_captions = task_files() / "v2_OpenEnded_scenes_test_questions.json";
  } else if (task == "nlvr2") {
    settings.data.captions = task_files() / "nlvr2" / "train.json";
    settings.data.validation_captions = task_files() / "nlvr2" / "val.json";
    settings.data.images = task_files() / "nlvr2";
  }
  return settings;
}

// The training part of a task, ready to draw from.
struct Drawn {
  explicit Drawn(const Settings& settings)
      : task(*downstream_task(settings.train.task)), part(read_part(task, settings, DataPart::train, log)) {
    if (task.classifies && task.images == 1) {
      AnswerCounts counts;
      counts.add(part.questions);
      table = counts.table(1);
    }
    source = std::make_unique<DownstreamSource>(part.set(table, Unanswerable::leave_out),
                                                tests::tiny_scenes().vocabulary(), sample_options(settings));
  }
  std::vector<DownstreamBatch> step(const Settings& settings, int64_t number) {
    return DownstreamCollator(task, *source, downstream_options(settings, table), quarantine).step(number);
  }

  std::ostringstream log;
  const DownstreamTask& task;
  DownstreamPart part;
  AnswerTable table;
  std::unique_ptr<DownstreamSource> source;
  Quarantine quarantine{0, [](const std::string&) {}};
};

}  // namespace tessera::small_tasks
