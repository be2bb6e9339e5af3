#include "vilt/tasks/trainer.h"

#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <utility>

#include "data/sets/fingerprint.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/words.h"
#include "nn/precision.h"
#include "tensor/device.h"
#include "tensor/parallel.h"
#include "train/checkpoint.h"
#include "train/interruption.h"
#include "train/run.h"
#include "vilt/tasks/evaluation_progress.h"
#include "vilt/tasks/initial_weights.h"
#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/same_settings.h"
#include "vilt/tasks/training_data.h"
#include "vilt/tasks/training_notes.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

RunOptions run_options(const Settings& settings, std::ostream& log) {
  RunOptions options;
  options.out = settings.train.out;
  options.steps = settings.train.steps;
  options.data_may_change = settings.train.changed_data == "continue";
  options.extend = settings.train.extend == "constant" ? Extend::constant : Extend::rescale;
  options.log_every = settings.train.log_every;
  options.evaluate_every = settings.train.evaluate_every;
  options.checkpoint_every = settings.train.checkpoint_every;
  options.samples = settings.train.batch_size;
  options.unit = "pairs";
  options.workers = static_cast<int>(settings.data.workers);
  options.prefetch = settings.data.prefetch;
  options.seed = static_cast<uint64_t>(settings.train.seed);
  options.settings = settings.to_toml();
  options.log = &log;
  return options;
}

// A split of the data set, ready to draw from.
struct Split {
  Dataset dataset;
  std::unique_ptr<SampleSource> source;
};

// From the settings to the summary: what is around the loop.
class Training {
 public:
  Training(Settings settings, const TrainOptions& options)
      : settings_(std::move(settings)),
        options_(options),
        log_(options.log ? *options.log : std::cout),
        out_(settings_.train.out) {}

  Summary go();

 private:
  template <class Task>
  Summary train_task(Split& train, Split& validation);
  void open_vocabulary(const std::optional<fs::path>& checkpoint);
  void check_unseen(const Dataset& unseen) const;
  void remove_earlier_run() const;
  bool gets_more_steps() const;
  template <class Task>
  void say_what_is_trained(Task& task, const Dataset& captions) const;
  // What a task does when it has been trained: evaluates, reports, writes summary.json. One function for each task.
  Summary finish(PretrainingRun& task, double train_seconds);

  // The tasks by their names in settings. Each is made of settings, vocabulary, two splits and a quarantine.
  struct Kind {
    const char* name;
    std::string (*described)(const Settings&);
    Summary (Training::*train)(Split& train, Split& validation);
  };
  static const Kind kKinds[];
  const Kind& kind() const;

  Settings settings_;
  const TrainOptions& options_;
  std::ostream& log_;
  fs::path out_;
  std::unique_ptr<LoadedModel> initial_;  // until the task has them; null without, and in a run that goes on
  std::unique_ptr<Wordpiece> vocabulary_;
};

// data.vocabulary; else that of the weights to begin with, whose tokens have no other numbers; else that of the
// captions.
void Training::open_vocabulary(const std::optional<fs::path>& checkpoint) {
  const bool given = !settings_.data.vocabulary.empty();
  if (!given && initial_ && initial_->vocabulary) {
    vocabulary_ = std::move(initial_->vocabulary);
    return;
  }
  const bool with_weights = !given && checkpoint && !settings_.train.init_from.empty();
  const fs::path words = with_weights ? *checkpoint / "vocab.txt" : vocabulary_path(settings_);
  check(fs::exists(words), shown(words), ": no vocabulary there; `vilt vocab` makes one from the captions");
  vocabulary_ = std::make_unique<Wordpiece>(Wordpiece::from_file(words));
  const auto size = static_cast<int64_t>(vocabulary_->size());
  if (initial_)
    check(size == settings_.model.vocab_size, shown(words), ": has ", size,
          " tokens, the weights of 'train.init_from' ", settings_.model.vocab_size);
  if (initial_ && initial_->vocabulary)
    check(initial_->vocabulary->tokens() == vocabulary_->tokens(), shown(words),
          ": is not the vocabulary of the weights of 'train.init_from', whose words would mean others; leave out "
          "'data.vocabulary' to take theirs");
  settings_.model.vocab_size = size;
}

void Training::check_unseen(const Dataset& unseen) const {
  const std::string& group = settings_.data.unseen_group;
  if (group.empty()) return;
  unseen.require(AnnotationField::group, "data.unseen_group");
  for (size_t s = 0; s < unseen.sentences().size(); ++s)
    if (*unseen.annotation(static_cast<int64_t>(s))->group == group) return;
  fail("data: no sentence of the split '", settings_.data.unseen_split, "' is in the group '", group,
       "' (data.unseen_group)");
}

void Training::remove_earlier_run() const {
  // summary.json first: killed in between, the run must not pass for a finished one.
  for (const char* name : {"summary.json", "report.html", "metrics.jsonl"}) fs::remove(out_ / name);
  remove_checkpoints(out_);
  fs::remove(out_ / "settings.toml");
}

// Of a finished run.
bool Training::gets_more_steps() const {
  if (!fs::exists(out_ / "settings.toml")) return false;
  const int64_t before = Settings::from_toml(out_ / "settings.toml").train.steps;
  if (settings_.train.steps <= before) return false;
  check(newest_checkpoint(out_).has_value(), shown(out_), ": the run has had its ", before,
        " steps, and there is no checkpoint to go on from");
  return true;
}

Summary Training::finish(PretrainingRun& task, double train_seconds) {
  const auto start = Clock::now();
  Split test{open_test_data(settings_), nullptr};
  test.source = std::make_unique<SampleSource>(test.dataset, *vocabulary_, sample_options(settings_));
  ViltWithHeads untrained = drawn_model(settings_);
  ParameterSet untrained_parameters(untrained, DType::f32, "", task.parameters().device());
  const std::string note = begin_again(settings_, untrained_parameters);
  if (!note.empty()) log_ << "note: " << note << std::endl;
  Summary summary;
  summary.steps = settings_.train.steps;
  summary.train_seconds = train_seconds;
  summary.parameters = task.parameters().total();
  EvaluationOptions options, of_untrained;
  options.plan.training_beta = settings_.objectives.ipot_beta;
  options.plan.training_iterations = settings_.objectives.ipot_iterations;
  of_untrained = options;
  options.limit = of_untrained.limit = settings_.train.test_samples;
  EvaluationProgress progress;
  options.progress = progress.of("trained model");
  of_untrained.progress = progress.of("untrained model");
  options.context = task.context();
  const auto all = static_cast<int64_t>(test.dataset.sentences().size());
  const bool limited = options.limit > 0 && options.limit < all;
  log_ << "evaluating on " << (limited ? text(options.limit, " of ", all) : text(all)) << " captions of split "
       << settings_.data.test_split << (limited ? " (train.test_samples; 0: all)" : "") << std::endl;
  summary.blocks["test"] = evaluate(task.model(), *test.source, options);
  summary.blocks["untrained"] = evaluate(untrained, *test.source, of_untrained);
  summary.blocks["shuffled_caption"] = evaluate_shuffled(task.model(), *test.source, options);
  if (!settings_.data.unseen_split.empty()) {
    Split unseen{open_unseen_data(settings_), nullptr};
    unseen.source = std::make_unique<SampleSource>(unseen.dataset, *vocabulary_, sample_options(settings_));
    options.group = settings_.data.unseen_group;
    summary.blocks["test_unseen"] = evaluate(task.model(), *unseen.source, options);
  }
  progress.clear();
  if (options_.report) options_.report(settings_, summary, task.model(), untrained, *test.source);
  write_file_atomically(out_ / "summary.json", summary_json(summary), Durability::power);
  log_ << "evaluation and report took " << fixed_text(std::chrono::duration<double>(Clock::now() - start).count(), 1)
       << " s" << std::endl;
  return summary;
}

Summary Training::go() {
  const Kind& chosen = kind();
  if (settings_.train.threads > 0) set_thread_count(static_cast<int>(settings_.train.threads));
  check(!settings_.data.sets.empty() || fs::exists(settings_.data.captions), settings_.data.captions,
        ": no such file (setting 'data.captions')");
  const auto checkpoint = options_.fresh ? std::nullopt : newest_checkpoint(out_);
  if (!checkpoint)
    initial_ = read_initial_weights(settings_, [&](const std::string& line) { log_ << "weights: " << line << "\n"; });
  settings_ = with_initial_sizes(std::move(settings_), checkpoint.value_or(fs::path()), initial_.get());
  open_vocabulary(checkpoint);
  settings_.model = model_config(settings_);
  settings_.model.validate();
  const std::string toml = settings_.to_toml();
  // Without a checkpoint there is nothing to lose: the first try may have stopped at a wrong setting.
  const bool begun = checkpoint || (!options_.fresh && fs::exists(out_ / "summary.json"));
  if (begun && fs::exists(out_ / "settings.toml")) check_same_settings(out_ / "settings.toml", settings_);
  if (begun && fs::exists(out_ / "summary.json") && !gets_more_steps()) {
    log_ << "the run in " << shown(out_) << " is finished; --fresh starts over\n";
    return read_summary(out_ / "summary.json");
  }
  log_ << toml << "\n" << chosen.described(settings_) << "\n";
  TrainingData data = open_training_data(settings_, log_);
  if (!settings_.data.unseen_split.empty()) check_unseen(data.unseen);
  Split train{std::move(data.train), nullptr}, validation{std::move(data.validation), nullptr};
  for (Split* split : {&train, &validation})
    split->source = std::make_unique<SampleSource>(split->dataset, *vocabulary_, sample_options(settings_));
  return (this->*chosen.train)(train, validation);
}

template <class Task>
Summary Training::train_task(Split& train, Split& validation) {
  const ProgressLine* line = nullptr;  // that a message must not be written over
  Quarantine quarantine(settings_.data.max_bad_files, [&line](const std::string& reason) {
    if (line) line->clear();
    std::cerr << "left out: " + reason + "\n" << std::flush;
  });
  Task task(settings_, initial_.get(), *vocabulary_, *train.source, *validation.source, quarantine);
  initial_.reset();
  Learner<Task> learner(task, learner_options(settings_));
  say_what_is_trained(task, train.dataset);
  for (const std::string& beginning : task.beginnings()) log_ << beginning << std::endl;
  for (const std::string& note : training_notes(settings_, *train.source)) log_ << "note: " << note << std::endl;
  // Nothing is written or removed before everything that the settings name has been found: a run that fails above can
  // be repeated with the mistake corrected.
  if (options_.fresh) remove_earlier_run();
  fs::create_directories(out_);
  RunOptions options = run_options(settings_, log_);
  const ProgressLine looking;
  looking.show("looking at the sizes of the pictures' files …");
  options.data = fingerprint(train.dataset, settings_.data.images);
  looking.clear();
  Run run(task, learner, std::move(options));
  line = &run.progress();
  run.resume();
  // A finished run that gets more steps is not finished from here on.
  for (const char* name : {"summary.json", "report.html"}) fs::remove(out_ / name);
  write_file_atomically(out_ / "settings.toml", settings_.to_toml());
  {
    std::optional<SignalGuard> guard;
    if (options_.keep_signals) guard.emplace();
    run.train();
  }
  return finish(task, run.train_seconds());
}

template <class Task>
void Training::say_what_is_trained(Task& task, const Dataset& captions) const {
  log_ << captions.sentences().size() << " captions of " << captions.images().size() << " images; vocabulary of "
       << vocabulary_->size() << "; " << task.parameters().total() << " parameters; image cache up to "
       << (settings_.data.cache_bytes >> 20) << " MiB; " << thread_count()
       << " threads\ndevice: " << device_description(task.parameters().device()).name
       << "\nprecision: " << describe_precision(task.context().activations, task.parameters().device()) << std::endl;
}

const Training::Kind Training::kKinds[] = {
    {"pretraining", [](const Settings& settings) { return loss_equation(objective_options(settings)); },
     &Training::train_task<PretrainingRun>},
};

const Training::Kind& Training::kind() const {
  std::string names;
  for (const Kind& kind : kKinds) {
    if (settings_.train.task == kind.name) return kind;
    names += text(names.empty() ? "" : ", ", kind.name);
  }
  fail("setting 'train.task' is '", settings_.train.task, "', expected one of: ", names);
}

}  // namespace

Summary train(Settings settings, const TrainOptions& options) { return Training(std::move(settings), options).go(); }

}  // namespace tessera
