#include "train/run.h"

#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "io/printable.h"
#include "io/words.h"
#include "tensor/device.h"
#include "train/checkpoint.h"

namespace tessera {

using Json = nlohmann::ordered_json;

RunLog::RunLog(UpdateRule& rule, RunOptions options)
    : rule_(rule),
      options_(std::move(options)),
      log_(options_.log ? *options_.log : std::cout),
      interval_(rule.figure_table()) {}

double RunLog::seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool RunLog::due(int64_t every) const {
  return rule_.updates() == options_.steps || (every > 0 && rule_.updates() % every == 0);
}

bool RunLog::reading_due() const {
  return due(options_.log_every) || due(options_.evaluate_every) || due(options_.checkpoint_every);
}

bool RunLog::resume(const std::function<std::function<void()>(const std::filesystem::path&)>& open_model) {
  const auto newest = newest_checkpoint(options_.out);
  if (!newest) return false;
  const TrainingState state = read_training_state(*newest, rule_.figure_table());
  check_data(state, *newest);
  load_checkpoint(*newest, rule_.optimizer(), open_model);
  check(rule_.updates() == state.step, newest->string(), ": state.json is of step ", state.step,
        ", optimizer.safetensors of ", rule_.updates());
  train_seconds_ = state.train_seconds;
  interval_ = state.interval;
  log_ << "continuing from step " << state.step << " of " << options_.steps << std::endl;
  if (options_.steps == state.steps)
    rule_.set_schedule(state.schedule);
  else
    extend(state);
  return true;
}

void RunLog::check_data(const TrainingState& state, const std::filesystem::path& checkpoint) const {
  std::string differences;
  for (const auto& [what, before] : state.data)
    if (const auto now = options_.data.find(what); now != options_.data.end() && now->second != before)
      differences += text(differences.empty() ? "" : ", ", what, " (", before, ", now ", now->second, ")");
  if (differences.empty()) return;
  check(options_.data_may_change, shown(checkpoint), ": the run was trained on other data, which differ in ",
        differences, "; train.changed_data=continue goes on with those that are here, --fresh starts over");
  log_ << "note: the data differ from those before in " << differences << std::endl;
}

void RunLog::extend(const TrainingState& state) {
  check(options_.steps > state.steps, shown(options_.out), ": the run has ", state.steps, " steps, expected no fewer");
  const auto rate = [&](int64_t finished) { return text(rule_.learning_rate(finished)); };
  const PolynomialSchedule longer = rule_.schedule();
  rule_.set_schedule(state.schedule);
  const int64_t last = std::max<int64_t>(0, state.step - 1);
  const std::string before = rate(last);
  if (options_.extend == Extend::rescale) {
    rule_.set_schedule(longer);
    log_ << "more steps, " << options_.steps << " instead of " << state.steps << ": the learning rate is that of "
         << options_.steps << " steps from here on, " << rate(state.step) << " after " << before << std::endl;
    return;
  }
  PolynomialSchedule constant = state.schedule;
  if (constant.constant_from < 0) constant.constant_from = rule_.schedule_place(last);
  rule_.set_schedule(constant);
  check(rule_.learning_rate(state.step) > 0, shown(options_.out), ": the learning rate after step ", state.step,
        " is 0, and would stay so; extend by \"rescale\"");
  log_ << "more steps, " << options_.steps << " instead of " << state.steps << ": the learning rate stays " << before
       << std::endl;
}

void RunLog::begin() {
  metrics_.emplace(options_.out / "metrics.jsonl", rule_.updates());
  if (options_.tensorboard) tensorboard_.emplace(options_.out, rule_.updates());
  first_step_ = rule_.updates();
  seconds_before_ = train_seconds_;
}

void RunLog::add_time(Clock::time_point start, double wait, double host) {
  const double seconds = seconds_since(start);
  train_seconds_ += seconds;
  interval_.seconds += seconds;
  host_seconds_ += host;
  waited_ += wait;
}

// Of the training time since this process began, spent waiting for data.
double RunLog::wait_share() const { return waited_ / std::max(train_seconds_ - seconds_before_, 1e-9); }

void RunLog::write_row(const std::string& row) {
  metrics_->write(row);
  if (tensorboard_) tensorboard_->write(row);
}

void RunLog::log_interval() {
  const Interval interval = std::exchange(interval_, Interval(rule_.figure_table()));
  write_row(metrics_row(interval, train_seconds_, options_.samples));
  const double left =
      interval.seconds / static_cast<double>(interval.steps) * static_cast<double>(options_.steps - interval.sum.step);
  progress_.show(text("step ", interval.sum.step, "/", options_.steps, "  ",
                      progress_text(interval, options_.samples, options_.unit), "  ", clock_text(left), " left"));
}

void RunLog::log_evaluation(const Evaluated& evaluated) {
  Json row;
  row["step"] = rule_.updates();
  row["seconds"] = train_seconds_;
  row["evaluation"] = Json::parse(evaluated.json);
  write_row(row.dump());
  if (tensorboard_) tensorboard_->write(rule_.updates(), evaluated.pictures);
  progress_.clear();
  log_ << "step " << std::setw(6) << rule_.updates() << "  " << clock_text(train_seconds_) << "  " << evaluated.words
       << "; data wait " << fixed_text(100 * wait_share(), 0) << " %" << std::endl;
}

void RunLog::checkpoint(const std::function<void(const std::filesystem::path&)>& save_model) {
  TrainingState state;
  state.step = rule_.updates();
  state.steps = options_.steps;
  state.data = options_.data;
  state.train_seconds = train_seconds_;
  state.interval = interval_;
  state.seed = options_.seed;
  state.schedule = rule_.schedule();
  state.settings = options_.settings;
  save_checkpoint(options_.out, state, rule_.optimizer(), save_model);
}

void RunLog::interrupt() {
  progress_.clear();
  const int signal = kept_signal();
  throw Interrupted(signal, text(signal_name(signal), " after step ", rule_.updates(), " of ", options_.steps, ": ",
                                 shown(options_.out / text("checkpoint-", rule_.updates())),
                                 " is written, and the same command goes on from there"));
}

void RunLog::end(const std::string& remarks) {
  if (const Device device = rule_.parameters().device(); device.kind == Device::cuda) {
    const DeviceUse use = device_use(device);
    const auto steps = static_cast<double>(std::max<int64_t>(1, options_.steps - first_step_));
    log_ << "host overhead: " << fixed_text(1e3 * host_seconds_ / steps, 2)
         << " ms a step, in which the GPU is given its work; peak memory on the GPU " << (use.peak_bytes >> 20)
         << " MiB; matrix products by a kernel of our own: " << use.plain_products << std::endl;
  }
  log_ << "trained " << options_.steps << " steps in " << clock_text(train_seconds_) << "; "
       << fixed_text(100 * wait_share(), 1) << " % of it waiting for data" << remarks << std::endl;
}

}  // namespace tessera
