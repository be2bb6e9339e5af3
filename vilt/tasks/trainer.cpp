#include "vilt/tasks/trainer.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "io/files.h"
#include "data/loader.h"
#include "tensor/device.h"
#include "tensor/parallel.h"
#include "vilt/tasks/checkpoint.h"
#include "vilt/initialise.h"
#include "vilt/tasks/learner.h"
#include "train/metrics_file.h"
#include "vilt/precision.h"
#include "vilt/tasks/same_settings.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  std::ostringstream out;
  if (whole >= 3600) out << whole / 3600 << ':' << std::setw(2) << std::setfill('0');
  out << whole / 60 % 60 << ':' << std::setw(2) << std::setfill('0') << whole % 60;
  return out.str();
}

// The row of metrics.jsonl for an interval.
Json interval_row(const Interval& interval, double train_seconds, const Settings& settings) {
  const StepReport& sum = interval.sum;
  const auto n = static_cast<double>(interval.steps);
  const auto share = [](int64_t part, int64_t whole) {
    return whole > 0 ? Json(static_cast<double>(part) / static_cast<double>(whole)) : Json(nullptr);
  };
  Json row = {{"step", sum.step},
          {"seconds", train_seconds},
          {"learning_rate", sum.learning_rate},
          {"loss", sum.loss / n},
          {"mlm_loss", sum.mlm_loss / n},
          {"itm_loss", sum.itm_loss / n},
          {"wpa_loss", sum.wpa_loss / n},
          {"grad_norm", sum.gradient_norm / n},
          {"mlm_accuracy", share(sum.masked_correct, sum.masked)},
          {"itm_accuracy", share(sum.pairs_correct, sum.pairs)},
          {"samples_per_second", static_cast<double>(interval.steps * settings.train.batch_size) / interval.seconds},
          {"data_wait_share", interval.wait / interval.seconds}};
  if (settings.objectives.mpp_weight != 0) {
    row["mpp_loss"] = sum.mpp_loss / n;
    row["mpp_accuracy"] = share(sum.colours_correct, sum.colours);
  }
  return row;
}

std::string number(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

std::string figure(const Figure& value) { return value ? number(*value, 3) : "-"; }

// The line at the bottom of a terminal that is written over and over. It is gone before anything else is printed, and
// also when an error ends the run.
class ProgressLine {
 public:
  ~ProgressLine() { clear(); }
  void show(const std::string& line) const {
    if (terminal_) std::cerr << "\r\033[K" + line << std::flush;
  }
  void clear() const { show(""); }

 private:
  bool terminal_ = isatty(STDERR_FILENO) != 0;
};

// A split of the data set, ready to draw from.
struct Split {
  Dataset dataset;
  std::unique_ptr<SampleSource> source;
};

class Run {
 public:
  Run(Settings settings, const TrainOptions& options)
      : settings_(std::move(settings)), options_(options), log_(options.log ? *options.log : std::cout), out_(settings_.train.out) {}

  Summary go();

 private:
  Split open(const std::string& split) const;
  void check_test_splits() const;
  void remove_earlier_run() const;
  bool resume();
  void train_until_done(const Collator& collator, const Quarantine& quarantine);
  void read_figures(const Collator& collator);
  void log_interval(MetricsFile& metrics);
  void evaluate_now(MetricsFile& metrics, double wait_share);
  void checkpoint();
  Summary finish();

  Settings settings_;
  const TrainOptions& options_;
  std::ostream& log_;
  fs::path out_;
  std::unique_ptr<Wordpiece> vocabulary_;
  std::unique_ptr<Split> train_, validation_;
  std::unique_ptr<Learner> learner_;
  double train_seconds_ = 0;
  Interval interval_;
  ProgressLine progress_;
};

Split Run::open(const std::string& split) const {
  DatasetOptions options;
  options.splits = {split};
  options.annotations = settings_.data.annotations;
  Split out{Dataset::open(settings_.data.captions, settings_.data.images, options), nullptr};
  return out;
}

// What only the end of the run reads: a mistake there should not cost a training.
void Run::check_test_splits() const {
  open(settings_.data.test_split);
  if (settings_.data.unseen_split.empty()) return;
  const Dataset unseen = open(settings_.data.unseen_split).dataset;
  const std::string& group = settings_.data.unseen_group;
  if (group.empty()) return;
  unseen.require(AnnotationField::group, "data.unseen_group");
  for (size_t s = 0; s < unseen.sentences().size(); ++s)
    if (*unseen.annotation(static_cast<int64_t>(s))->group == group) return;
  fail("data: no sentence of the split '", settings_.data.unseen_split, "' is in the group '", group,
       "' (data.unseen_group)");
}

void Run::remove_earlier_run() const {
  // summary.json first: killed in between, the run must not pass for a finished one.
  for (const char* name : {"summary.json", "report.html", "metrics.jsonl"}) fs::remove(out_ / name);
  remove_checkpoints(out_);
  fs::remove(out_ / "settings.toml");
}

// True if there is a checkpoint to continue from.
bool Run::resume() {
  const auto newest = newest_checkpoint(out_);
  if (!newest) return false;
  const TrainingState state = read_training_state(*newest);
  check(Wordpiece::from_file(*newest / "vocab.txt").tokens() == vocabulary_->tokens(), newest->string(),
        ": was trained with another vocabulary; use --fresh to start over or train.out=FOLDER for another place");
  load_checkpoint(*newest, settings_.model, learner_->parameters(), learner_->optimizer());
  check(learner_->updates() == state.step, newest->string(), ": state.json is of step ", state.step,
        ", optimizer.safetensors of ", learner_->updates());
  train_seconds_ = state.train_seconds;
  interval_ = state.interval;
  log_ << "continuing from step " << state.step << " of " << settings_.train.steps << std::endl;
  return true;
}

void Run::checkpoint() {
  TrainingState state;
  state.step = learner_->updates();
  state.train_seconds = train_seconds_;
  state.interval = interval_;
  state.seed = static_cast<uint64_t>(settings_.train.seed);
  state.schedule = learner_->schedule();
  state.settings = settings_.to_toml();
  save_checkpoint(out_, state, settings_.model, sample_options(settings_), *vocabulary_, learner_->parameters(),
                  learner_->optimizer());
}

// What a GPU keeps of the figures since the last reading. A step that failed there is made once more to be explained.
void Run::read_figures(const Collator& collator) {
  const auto failed = learner_->read_figures(interval_.sum);
  if (failed) learner_->explain_non_finite(collator.step(failed->step - 1), *failed);
}

void Run::log_interval(MetricsFile& metrics) {
  const Interval interval = std::exchange(interval_, {});
  const Json row = interval_row(interval, train_seconds_, settings_);
  metrics.write(row.dump());
  const double left = interval.seconds / static_cast<double>(interval.steps) *
                      static_cast<double>(settings_.train.steps - interval.sum.step);
  const auto figure_of = [&](const char* name, int digits) { return number(row[name].get<double>(), digits); };
  progress_.show(text("step ", interval.sum.step, "/", settings_.train.steps, "  loss ", figure_of("loss", 3), "  mlm ",
                      figure_of("mlm_loss", 3), "  itm ", figure_of("itm_loss", 3), "  wpa ", figure_of("wpa_loss", 3), "  ",
                      row.contains("mpp_loss") ? text("mpp ", figure_of("mpp_loss", 3), "  ") : "",
                      figure_of("samples_per_second", 0), " pairs/s  data wait ",
                      number(100 * row["data_wait_share"].get<double>(), 0), " %  ", clock_text(left), " left"));
}

// wait_share: of the training time since this process began, spent waiting for data.
void Run::evaluate_now(MetricsFile& metrics, double wait_share) {
  EvaluationOptions options;
  options.limit = settings_.train.evaluate_samples;
  options.controls = false;
  const Evaluation e = evaluate(learner_->model(), *validation_->source, options);
  Json row;
  row["step"] = learner_->updates();
  row["seconds"] = train_seconds_;
  row["evaluation"] = Json::parse(evaluation_json(e));
  metrics.write(row.dump());
  progress_.clear();
  log_ << "step " << std::setw(6) << learner_->updates() << "  " << clock_text(train_seconds_) << "  " << e.samples
       << " of " << settings_.data.validation_split << ": matching random " << figure(e.itm_accuracy_random) << ", sibling "
       << figure(e.itm_accuracy_hard) << "; masked words " << figure(e.mlm_accuracy_content) << "; attention points "
       << figure(e.pointing_attention) << ", own above other " << figure(e.pointing_own_over_other) << "; data wait "
       << number(100 * wait_share, 0) << " %" << std::endl;
}

void Run::train_until_done(const Collator& collator, const Quarantine& quarantine) {
  MetricsFile metrics(out_ / "metrics.jsonl", learner_->updates());
  Loader<PretrainBatch> loader([&](int64_t step) { return collator.step(step); }, learner_->updates(), settings_.train.steps,
                static_cast<int>(settings_.data.workers), settings_.data.prefetch);
  double waited = 0, host_seconds = 0;
  const double trained_before = train_seconds_;
  const int64_t steps = settings_.train.steps - learner_->updates();
  const auto due = [&](int64_t every) {
    return learner_->updates() == settings_.train.steps || (every > 0 && learner_->updates() % every == 0);
  };
  while (learner_->updates() < settings_.train.steps) {
    const auto start = Clock::now();
    const StepReport report = learner_->update(loader.next());
    const double wait = loader.wait_seconds() - waited, host = seconds_since(start) - wait;
    interval_.add(report, 0, wait);
    for (const int64_t every : {settings_.train.log_every, settings_.train.evaluate_every, settings_.train.checkpoint_every})
      if (due(every)) {
        read_figures(collator);
        break;
      }
    const double seconds = seconds_since(start);
    train_seconds_ += seconds;
    interval_.seconds += seconds;
    host_seconds += host;
    waited = loader.wait_seconds();
    if (due(settings_.train.log_every)) log_interval(metrics);
    if (due(settings_.train.evaluate_every)) evaluate_now(metrics, waited / std::max(train_seconds_ - trained_before, 1e-9));
    if (due(settings_.train.checkpoint_every)) checkpoint();
  }
  if (const Device device = learner_->parameters().device(); device.kind == Device::cuda) {
    const DeviceUse use = device_use(device);
    log_ << "host overhead: " << number(1e3 * host_seconds / static_cast<double>(std::max<int64_t>(1, steps)), 2)
         << " ms a step, in which the GPU is given its work; peak memory on the GPU " << (use.peak_bytes >> 20)
         << " MiB; matrix products by a kernel of our own: " << use.plain_products << std::endl;
  }
  log_ << "trained " << settings_.train.steps << " steps in " << clock_text(train_seconds_) << "; "
       << number(100 * waited / std::max(train_seconds_ - trained_before, 1e-9), 1) << " % of it waiting for data; "
       << (train_->source->cached_bytes() >> 20) << " MiB of decoded images in memory; " << quarantine.count()
       << " images left out" << std::endl;
}

Summary Run::finish() {
  const auto start = Clock::now();
  Split test = open(settings_.data.test_split);
  test.source = std::make_unique<SampleSource>(test.dataset, *vocabulary_, sample_options(settings_));
  ViltWithHeads untrained(settings_.model);
  initialise(untrained, settings_.init, static_cast<uint64_t>(settings_.train.seed));
  const ParameterSet untrained_parameters(untrained, DType::f32, "", learner_->parameters().device());
  Summary summary;
  summary.steps = settings_.train.steps;
  summary.train_seconds = train_seconds_;
  summary.parameters = learner_->parameters().total();
  EvaluationOptions options;
  options.plan.training_beta = settings_.objectives.ipot_beta;
  options.plan.training_iterations = settings_.objectives.ipot_iterations;
  log_ << "evaluating on " << test.dataset.sentences().size() << " captions of split " << settings_.data.test_split << std::endl;
  summary.blocks["test"] = evaluate(learner_->model(), *test.source, options);
  summary.blocks["untrained"] = evaluate(untrained, *test.source, options);
  summary.blocks["shuffled_caption"] = evaluate_shuffled(learner_->model(), *test.source, options);
  if (!settings_.data.unseen_split.empty()) {
    Split unseen = open(settings_.data.unseen_split);
    unseen.source = std::make_unique<SampleSource>(unseen.dataset, *vocabulary_, sample_options(settings_));
    options.group = settings_.data.unseen_group;
    summary.blocks["test_unseen"] = evaluate(learner_->model(), *unseen.source, options);
  }
  if (options_.report) options_.report(settings_, summary, learner_->model(), untrained, *test.source);
  write_file_atomically(out_ / "summary.json", summary_json(summary), Durability::power);
  log_ << "evaluation and report took " << number(seconds_since(start), 1) << " s" << std::endl;
  return summary;
}

Summary Run::go() {
  if (settings_.train.threads > 0) set_thread_count(static_cast<int>(settings_.train.threads));
  fs::path words = settings_.data.vocabulary;
  if (words.empty()) words = fs::path(settings_.data.captions).parent_path() / "vocab.txt";
  check(fs::exists(settings_.data.captions), settings_.data.captions, ": no such file (setting 'data.captions')");
  check(fs::exists(words), words.string(), ": no vocabulary there; `vilt vocab` makes one from the captions");
  vocabulary_ = std::make_unique<Wordpiece>(Wordpiece::from_file(words));
  settings_.model.vocab_size = static_cast<int64_t>(vocabulary_->size());
  settings_.model = model_config(settings_);
  settings_.model.validate();
  const std::string toml = settings_.to_toml();
  // Without a checkpoint there is nothing to lose: the first try may have stopped at a wrong setting.
  const bool begun = !options_.fresh && (newest_checkpoint(out_) || fs::exists(out_ / "summary.json"));
  if (begun && fs::exists(out_ / "settings.toml")) check_same_settings(out_ / "settings.toml", toml);
  if (begun && fs::exists(out_ / "summary.json")) {
    log_ << "the run in " << out_.string() << " is finished; --fresh starts over\n";
    return read_summary(out_ / "summary.json");
  }
  log_ << toml << "\n" << loss_equation(objective_options(settings_)) << "\n";
  train_ = std::make_unique<Split>(open(settings_.data.train_split));
  validation_ = std::make_unique<Split>(open(settings_.data.validation_split));
  for (Split* split : {train_.get(), validation_.get()})
    split->source = std::make_unique<SampleSource>(split->dataset, *vocabulary_, sample_options(settings_));
  check_test_splits();
  learner_ = std::make_unique<Learner>(settings_);
  log_ << train_->dataset.sentences().size() << " captions of " << train_->dataset.images().size() << " images; vocabulary of "
       << vocabulary_->size() << "; " << learner_->parameters().total() << " parameters; image cache up to "
       << (settings_.data.cache_bytes >> 20) << " MiB; " << thread_count() << " threads\ndevice: "
       << device_description(learner_->parameters().device()).name << "\nprecision: "
       << describe_precision(learner_->model().vilt) << std::endl;
  Quarantine quarantine(settings_.data.max_bad_files, [this](const std::string& reason) {
    progress_.clear();
    std::cerr << "left out: " + reason + "\n" << std::flush;
  });
  const Collator collator(*train_->source, collator_options(settings_), quarantine);
  // Nothing is written or removed before everything that the settings name has been found: a run that fails above can be
  // repeated with the mistake corrected.
  if (options_.fresh) remove_earlier_run();
  fs::create_directories(out_);
  write_file_atomically(out_ / "settings.toml", toml);
  resume();
  if (learner_->updates() < settings_.train.steps) train_until_done(collator, quarantine);
  return finish();
}

}  // namespace

Summary train(Settings settings, const TrainOptions& options) { return Run(std::move(settings), options).go(); }

}  // namespace tessera
