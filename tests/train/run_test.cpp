// The loop, by a task that has nothing to do with pictures or words.
#include "train/run.h"

#include <doctest/doctest.h>

#include <csignal>

#include "autograd/finite.h"
#include "tests/error_text.h"
#include "tests/train/toy_run.h"

namespace tessera::run_test {
namespace {

using tests::error_of;
using tests::ToyRun;
using tests::ToyTask;

std::map<std::string, std::vector<float>> values_of(const ParameterSet& parameters) {
  std::map<std::string, std::vector<float>> out;
  for (const auto& [name, tensor] : parameters.state()) out[name] = tensor.to_vector<float>();
  return out;
}

// Losses, gradient norms and parameters of six steps of eight points, in so many pieces, dealt out to the ranks.
struct Course {
  std::vector<double> figures;
  std::map<std::string, std::vector<float>> end;
  bool operator==(const Course&) const = default;
};

Course course(Communicator& ranks, int pieces, double dropout) {
  ToyTask task;
  task.dropout_rate = dropout;
  Learner<ToyTask> learner(task, ToyRun{}.learner_options(), ranks);
  Course out;
  for (int64_t i = 0; i < 6; ++i) {
    std::vector<ToyTask::Batch> step;
    for (int p = ranks.rank(); p < pieces; p += ranks.size())
      step.push_back(ToyTask::batch(8 * i + 8 / pieces * p, 8 / pieces));
    const Figures figures = learner.update(step);
    CHECK(figures["quadrant"].count == 8);
    out.figures.insert(out.figures.end(), {figures.loss, figures["sine"].loss, figures.gradient_norm,
                                           static_cast<double>(figures["quadrant"].correct)});
  }
  out.end = values_of(task.parameters());
  return out;
}

std::vector<Course> course_of_ranks(int size, int pieces, double dropout) {
  std::vector<Course> out(static_cast<size_t>(size));
  run_ranks(size,
            [&](Communicator& ranks) { out[static_cast<size_t>(ranks.rank())] = course(ranks, pieces, dropout); });
  return out;
}

}  // namespace

TEST_CASE("Run: a task learns, is logged, evaluated and checkpointed") {
  const tests::TemporaryDirectory directory;
  ToyRun run{directory.path() / "run", {}, 300, 100};
  run.train();
  const auto rows = run.rows();
  std::vector<int64_t> logged, evaluated;
  for (const auto& row : rows) (row.contains("evaluation") ? evaluated : logged).push_back(row["step"]);
  CHECK(logged.size() == 60);
  CHECK(evaluated.size() == 50);
  for (const char* key : {"learning_rate", "loss", "sine_loss", "quadrant_loss", "grad_norm", "quadrant_accuracy"})
    CHECK(rows[0][key].is_number());
  CHECK_FALSE(rows[0].contains("sine_accuracy"));
  double early = 0, late = 0, hits = 0;
  for (size_t i = 0; i < 5; ++i) early += rows[i].value("loss", 0.0);
  for (size_t i = rows.size() - 10; i < rows.size(); ++i) {
    late += rows[i].value("loss", 0.0);
    hits = std::max(hits, rows[i].value("quadrant_accuracy", 0.0));
  }
  CHECK(late < 0.5 * early);
  CHECK(hits > 0.8);
  CHECK(tests::lacking(run.log.str(), {"step      6  0:00  nothing to evaluate; data wait ", "trained 300 steps in ",
                                       "% of it waiting for data; points never run out"}) == "");
  CHECK(newest_checkpoint(run.out)->filename() == "checkpoint-300");
}

TEST_CASE("Run: killed and continued, a task ends with the same bits and rows as one that was not") {
  const tests::TemporaryDirectory directory;
  ToyRun whole{directory.path() / "whole", {}};
  whole.train();
  for (const int64_t killed_before : {1, 4, 7, 11}) {
    CAPTURE(killed_before);
    ToyRun parts{directory.path() / std::to_string(killed_before), {}};
    CHECK(error_of([&] { parts.train(killed_before); }) == "killed");
    parts.train();
    for (const char* file : {"toy.safetensors", "optimizer.safetensors"}) CHECK(parts.file(file) == whole.file(file));
    CHECK(parts.rows() == whole.rows());
  }
  CHECK(error_of([&] { whole.train(0); }) == "no error");  // nothing is left to do
}

std::vector<double> rates_of(const ToyRun& run) {
  std::vector<double> out;
  for (const auto& row : run.rows())
    if (row.contains("learning_rate")) out.push_back(row["learning_rate"]);
  return out;
}

TEST_CASE("Run: more steps, by the schedule of so many or at the rate that it had, also when stopped in between") {
  const tests::TemporaryDirectory directory;
  const PolynomialSchedule shorter{.peak = 2e-2, .warmup = 2, .total = 12},
      longer{.peak = 2e-2, .warmup = 2, .total = 25};
  for (const Extend extend : {Extend::rescale, Extend::constant}) {
    const bool rescale = extend == Extend::rescale;
    const auto name = [&](const char* part) { return directory.path() / text(part, rescale); };
    ToyRun first{name("whole"), {}};
    first.checkpoint_every = 1;
    CHECK(error_of([&] { first.train(9); }) == "killed");
    std::filesystem::copy(name("whole"), name("parts"), std::filesystem::copy_options::recursive);
    ToyRun whole{name("whole"), {}, 25}, parts{name("parts"), {}, 25};
    whole.extend = parts.extend = extend;
    whole.train();
    CHECK(error_of([&] { parts.train(17); }) == "killed");
    parts.train();
    CHECK(parts.file("toy.safetensors") == whole.file("toy.safetensors"));
    CHECK(tests::lacking(whole.log.str(),
                         {"continuing from step 9 of 25\nmore steps, 25 instead of 12: the learning rate ",
                          rescale ? "is that of 25 steps from here on" : "stays "}) == "");
    CHECK(parts.log.str().find("more steps", parts.log.str().find("continuing from step 16")) == std::string::npos);
    // Logged after steps 5, 10, 15, 20, 25; the update after n others looks at place n (+ 1 in variant torch).
    const int64_t ahead = LearnerOptions{}.optimizer.variant == AdamWVariant::torch;
    const std::vector<double> rates = rates_of(whole);
    REQUIRE(rates.size() == 5);
    CHECK(rates[0] == shorter.rate(4 + ahead));
    for (size_t i = 1; i < 5; ++i)
      CHECK(rates[i] == (rescale ? longer.rate(5 * static_cast<int64_t>(i) + 4 + ahead) : shorter.rate(8 + ahead)));
  }
}

TEST_CASE("Run: fewer steps, and a rate of 0 that would stay so, are errors") {
  const tests::TemporaryDirectory directory;
  ToyRun whole{directory.path() / "run", {}};
  whole.train();
  ToyRun fewer{directory.path() / "run", {}, 10}, constant{directory.path() / "run", {}, 20};
  constant.extend = Extend::constant;
  CHECK(tests::lacking(error_of([&] { fewer.train(); }), {"the run has 12 steps, expected no fewer"}) == "");
  CHECK(tests::lacking(error_of([&] { constant.train(); }),
                       {"the learning rate after step 12 is 0, and would stay so"}) == "");
}

TEST_CASE("Run: a signal ends it after the step, with a checkpoint from which it goes on to the same bits") {
  const tests::TemporaryDirectory directory;
  ToyRun whole{directory.path() / "whole", {}}, parts{directory.path() / "parts", {}, 12, 100};
  whole.train();
  for (const int signal : {SIGTERM, SIGINT}) {
    const SignalGuard guard;
    std::raise(signal);
    int ended_by = 0;
    std::string message;
    try {
      parts.train();
    } catch (const Interrupted& interrupted) {
      ended_by = interrupted.signal;
      message = interrupted.what();
    }
    CHECK(ended_by == signal);
    CHECK(tests::lacking(message, {signal_name(signal), " after step ", " of 12: ", "checkpoint-"}) == "");
  }
  CHECK(newest_checkpoint(parts.out)->filename() == "checkpoint-2");  // a step for each
  CHECK(kept_signal() == 0);
  parts.train();
  for (const char* file : {"toy.safetensors", "optimizer.safetensors"}) CHECK(parts.file(file) == whole.file(file));
  CHECK(parts.rows() == whole.rows());
}

TEST_CASE("Run: a signal during the last step ends it, too, and nothing is left to train") {
  const tests::TemporaryDirectory directory;
  ToyRun run{directory.path() / "run", {}, 2};
  for (int step = 1; step <= 2; ++step) {
    const SignalGuard guard;
    std::raise(SIGTERM);
    CHECK_THROWS_AS(run.train(), Interrupted);
  }
  CHECK(newest_checkpoint(run.out)->filename() == "checkpoint-2");
  CHECK(error_of([&] { run.train(0); }) == "no error");
}

TEST_CASE("Signals: the second kills, what is ignored stays ignored, and afterwards all is as before") {
  void (*const before)(int) = std::signal(SIGINT, SIG_DFL);
  {
    const SignalGuard guard;
    std::raise(SIGTERM);
    CHECK(kept_signal() == SIGTERM);
    struct sigaction now = {};
    for (const int signal : {SIGINT, SIGTERM}) {
      sigaction(signal, nullptr, &now);
      CHECK((now.sa_handler == SIG_DFL));
    }
  }
  std::signal(SIGINT, SIG_IGN);
  {
    const SignalGuard guard;
    std::raise(SIGINT);
    CHECK(kept_signal() == 0);
  }
  CHECK((std::signal(SIGINT, before) == SIG_IGN));
}

TEST_CASE("Run: a state with losses that the task no longer has, and without one that is new") {
  const tests::TemporaryDirectory directory;
  ToyRun run{directory.path() / "run", {}};
  run.train();
  const auto state = read_training_state(*newest_checkpoint(run.out), {{"quadrant", "points"}, {"new", "words"}});
  CHECK(state.interval.sum["new"].count == 0);
  CHECK(state.interval.sum["quadrant"].count == 0);  // the last step was logged
  CHECK(error_of([&] { state.interval.sum["sine"]; }) == "figures: there is no loss 'sine'");
}

TEST_CASE("Learner: neither micro-batches nor ranks show in a step, up to rounding") {
  const Course whole = course(single_rank(), 1, 0);
  const auto check_close = [&](const Course& got) {
    for (size_t i = 0; i < whole.figures.size(); ++i)
      CHECK(got.figures[i] == doctest::Approx(whole.figures[i]).epsilon(1e-5));
    for (const auto& [name, values] : whole.end)
      for (size_t i = 0; i < values.size(); ++i) CHECK(got.end.at(name)[i] == doctest::Approx(values[i]).epsilon(1e-4));
  };
  check_close(course(single_rank(), 4, 0));
  for (const int size : {2, 4}) {
    const std::vector<Course> got = course_of_ranks(size, 4, 0);
    for (const Course& of_rank : got) CHECK(of_rank == got[0]);  // the same bits on every rank
    check_close(got[0]);
  }
  const std::vector<Course> dropped = course_of_ranks(2, 2, 0.1);
  CHECK(dropped[0] == dropped[1]);
  CHECK(course_of_ranks(2, 2, 0.1) == dropped);  // and in every run
}

TEST_CASE("Learner: a value that is not finite changes nothing and names step, samples and tensor") {
  ToyTask task;
  Learner<ToyTask> learner(task, ToyRun{}.learner_options());
  learner.update(task.step(0));
  auto poisoned = task.step(1);
  poisoned[1].points.mutable_data<float>()[2] = INFINITY;
  const auto before = values_of(task.parameters());
  const std::string message = error_of([&] { learner.update(poisoned); });
  CHECK(tests::lacking(message, {"step 2: loss ", "points from 8", "nothing was updated"}) == "");
  CHECK(values_of(task.parameters()) == before);
  CHECK(learner.updates() == 1);
}

TEST_CASE("Figures: a table with too many losses, and a loss that the task forgot, are errors") {
  CHECK(error_of([] { FigureSums(FigureTable(8), {}); }) == "figures: 8 losses, more than a GPU has places for");
  Figures figures(FigureTable{{"a", ""}});
  CHECK(error_of([&] { FigureSums({{"a", ""}}, {}).add(Losses{}, figures); }) == "figures: there is no loss 'a'");
}

}  // namespace tessera::run_test
