#include "vilt/tasks/finetuning_job.h"

#include "data/text/vocabulary.h"
#include "io/printable.h"
#include "train/evaluation/evaluation_progress.h"
#include "train/progress_line.h"
#include "vilt/tasks/downstream_evaluation.h"
#include "vilt/tasks/initial_weights.h"
#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/run_scores.h"
#include "vilt/tasks/run_vocabulary.h"
#include "vilt/tasks/text_alone.h"

namespace tessera {
namespace {

// As many pieces as BERT's vocabulary has; texts of a small data set have no use for so many, and fewer come of them.
constexpr size_t kVocabularySize = 30522;

Wordpiece vocabulary_of(const DownstreamPart& part) {
  VocabularyTrainer trainer;
  for (size_t i = 0; i < part.size(); ++i) trainer.add(part.text(i));
  return Wordpiece(trainer.train(kVocabularySize, 2));
}

}  // namespace

FinetuningJob::FinetuningJob(Settings settings, const TrainOptions& options)
    : ViltJob(std::move(settings), options), task_(*downstream_task(settings_.train.task)) {}

std::string FinetuningJob::described() const {
  return text("loss = ", task_.term.name, " (mean over ", task_.samples, ")");
}

void FinetuningJob::begin(const std::optional<std::filesystem::path>& checkpoint) {
  read_weights(checkpoint);
  {
    const ProgressLine progress;
    progress.show(text("reading ", shown(settings_.data.captions), " …"));
    train_part_ = read_part(task_, settings_, DataPart::train, log_);
  }
  check(train_part_.size() > 0, train_part_.words, ": there are no ", task_.samples, " to train on");
  vocabulary_ = open_run_vocabulary(settings_, checkpoint, initial(), [&] { return vocabulary_of(train_part_); });
  if (task_.images == 2) labels_ = {"False", "True"};
  if (task_.classifies && task_.images == 1) {
    AnswerCounts counts;
    counts.add(train_part_.questions);
    table_ = counts.table(settings_.downstream.least_answers);
    labels_ = table_.answers();
  }
  const auto& train = settings_.train;
  train_ = ready(std::move(train_part_), Unanswerable::leave_out);
  if (train.epochs > 0)
    settings_.train.steps = steps_of_epochs(static_cast<int64_t>(train_.source->set.samples.size()), train.batch_size,
                                            train.accumulate, train.epochs);
  settings_.model = downstream_config(task_, settings_.model, labels_);
  settings_.model.validate();
}

FinetuningJob::Split FinetuningJob::ready(DownstreamPart part, Unanswerable rule) const {
  Split out{std::move(part), nullptr};
  out.source = std::make_unique<DownstreamSource>(out.part.set(table_, rule), *vocabulary_, sample_options(settings_));
  return out;
}

void FinetuningJob::open() {
  validation_ = ready(read_part(task_, settings_, DataPart::validation, log_), Unanswerable::keep);
  read_part(task_, settings_, DataPart::test, log_);  // a mistake there should not cost a training
  if (has_unseen_part(task_, settings_)) read_part(task_, settings_, DataPart::unseen, log_);
}

FinetuningJob::Task FinetuningJob::task(Quarantine& quarantine) const {
  return Task(settings_, initial(), *vocabulary_, labels_, *train_.source, {validation_.part, *validation_.source},
              quarantine);
}

std::string FinetuningJob::samples() const {
  const DownstreamSet& set = train_.source->set;
  std::string out = text(set.samples.size(), " ", task_.classifies ? task_.samples : "captions", " on ",
                         set.pictures.size(), " pictures");
  if (table_.size() > 0)
    out += text(", ", table_.size(), " answers that are given ", settings_.downstream.least_answers,
                " times or more (downstream.least_answers)");
  if (set.left_out > 0) out += text(", ", set.left_out, " questions left out, which have none of them");
  return out;
}

std::vector<std::string> FinetuningJob::begun(const Task& task) {
  std::vector<std::string> notes;
  const DownstreamSet& set = train_.source->set;
  int64_t cut = 0;
  const auto room = static_cast<size_t>(settings_.model.max_position_embeddings) - 2;
  for (const DownstreamSample& sample : set.samples)
    cut += sample.text.size() > room && vocabulary_->encode(sample.text).size() > room;
  if (cut > 0)
    notes.push_back(text(cut, " of ", set.samples.size(), " texts are longer than ",
                         settings_.model.max_position_embeddings, " tokens and are cut"));
  if (settings_.train.init_from.empty())
    notes.emplace_back("the model begins with drawn weights; train.init_from=RUN begins with trained ones");
  if (settings_.train.init_from.empty() && settings_.init.linear == "normal" && settings_.model.hidden_size < 512)
    notes.push_back(text("so narrow a model (model.hidden_size=", settings_.model.hidden_size,
                         ") hardly learns from weights of deviation ", settings_.init.std,
                         "; init.linear=fan_in and a higher optimizer.learning_rate do better (docs/finetuning.md, "
                         "\"From scratch\")"));
  if (settings_.data.test_captions.empty() && !settings_.data.validation_captions.empty())
    notes.emplace_back("data.test_captions is empty: the figures at the end are those of validation");
  return drop_weights(task.beginnings(), notes);
}

std::map<std::string, std::string> FinetuningJob::fingerprint() const {
  return tessera::fingerprint(train_.source->set, settings_.data.images);
}

Summary FinetuningJob::finish(Task& task, const RunFacts& facts) {
  const Split test = ready(read_part(task_, settings_, DataPart::test, log_), Unanswerable::keep);
  ViltWithHeads untrained = drawn_model(settings_);
  ParameterSet parameters(untrained, DType::f32, "", task.parameters().device());
  const std::string note = begin_again(settings_, parameters);
  if (!note.empty()) log_ << "note: " << note << std::endl;
  Summary summary;
  static_cast<RunFacts&>(summary) = facts;
  summary.task = task_.name;
  EvaluationProgress progress;
  const auto usable_of = [&](const Split& split) {
    return UsablePictures(split.source->pictures, settings_.data.max_bad_files, progress.report());
  };
  UsablePictures usable = usable_of(test);
  DownstreamEvaluationOptions options;
  options.usable = &usable;
  options.limit = settings_.train.test_samples;
  options.context = task.context();
  options.controls = true;
  options.progress = progress.of("trained model");
  log_ << "evaluating on " << test.part.words
       << (options.limit > 0 ? text(", at most ", options.limit, " of its ") : ", all of its ")
       << (task_.classifies ? task_.samples : "pictures") << " (train.test_samples; 0: all)" << std::endl;
  options.ranking = [&](RetrievalOptions& ranking) {
    keep_scores(settings_.train.out, settings_, task.parameters(), ranking);
  };
  summary.figures["test"] = evaluate_downstream(task_, task.model(), *test.source, test.part, table_, options);
  options.controls = false;
  options.ranking = {};
  if (has_unseen_part(task_, settings_)) {
    const Split unseen = ready(read_part(task_, settings_, DataPart::unseen, log_), Unanswerable::keep);
    options.progress = progress.of("trained model, unseen");
    UsablePictures usable_unseen = usable_of(unseen);
    options.usable = &usable_unseen;
    summary.figures["test_unseen"] =
        evaluate_downstream(task_, task.model(), *unseen.source, unseen.part, table_, options);
    options.usable = &usable;
  }
  if (task_.classifies) {
    const TextAlone text_alone(train_.source->set);
    options.guess = [&](const std::string& question) { return text_alone.label(question); };
    summary.figures["text_alone"] = evaluate_downstream(task_, task.model(), *test.source, test.part, table_, options);
    options.guess = {};
  }
  options.context = {};
  options.progress = progress.of("untrained model");
  summary.figures["untrained"] = evaluate_downstream(task_, untrained, *test.source, test.part, table_, options);
  progress.clear();
  return summary;
}

}  // namespace tessera
