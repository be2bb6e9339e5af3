// UNITER's and ViLBERT's pre-training in the loop.
#include <doctest/doctest.h>

#include "io/files.h"
#include "tests/error_text.h"
#include "tests/models/region_tasks.h"
#include "tests/temporary_directory.h"
#include "train/run.h"

namespace tessera::region_runs_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::region_collator_options;
using tests::RegionScenes;
using tests::task_of;
using tests::uniter_options;
using tests::vilbert_options;

std::map<std::string, std::vector<float>> state_of(ParameterSet& parameters) {
  std::map<std::string, std::vector<float>> out;
  for (const auto& [name, tensor] : parameters.state()) out[name] = tensor.contiguous().to_vector<float>();
  return out;
}

// A task with what the loop wants beside it.
template <class Base>
struct Looped : Base {
  using Base::Base;
  int64_t killed_before = -1;
  std::vector<typename Base::Batch> step(int64_t number) const {
    check(number != killed_before, "killed");
    return Base::step(number);
  }
  Evaluated evaluate() { return {"{}", "nothing"}; }
};

template <class Base, class Options>
std::map<std::string, std::vector<float>> run_to_end(RegionScenes& scenes, const Options& options,
                                                     const std::filesystem::path& out, int64_t killed_before) {
  Looped<Base> task(options, scenes.source, scenes.lookup, scenes.quarantine);
  task.killed_before = killed_before;
  LearnerOptions rule;
  rule.schedule = {.peak = 3e-3, .warmup = 2, .total = 10};
  rule.seed = 5;
  Learner<Looped<Base>> learner(task, rule);
  std::ostringstream log;
  RunOptions how;
  how.out = out;
  how.steps = 10;
  how.checkpoint_every = 3;
  how.samples = options.collator.batch_size;
  how.log = &log;
  std::filesystem::create_directories(out);
  Run<Looped<Base>> run(task, learner, how);
  run.resume();
  run.train();
  return state_of(task.parameters());
}

template <class Base, class Options>
void check_resuming(const Options& options) {
  RegionScenes scenes;
  const tests::TemporaryDirectory directory;
  const auto whole = run_to_end<Base>(scenes, options, directory.path() / "whole", -1);
  CHECK(error_of([&] { run_to_end<Base>(scenes, options, directory.path() / "parts", 8); }) == "killed");
  CHECK(run_to_end<Base>(scenes, options, directory.path() / "parts", -1) == whole);
  for (const char* file : {"model.safetensors", "optimizer.safetensors", "config.json", "vocab.txt"})
    CHECK(read_file(directory.path() / "whole/checkpoint-10" / file) ==
          read_file(directory.path() / "parts/checkpoint-10" / file));
  auto task = task_of(scenes, options);
  write_file_atomically(directory.path() / "whole/checkpoint-10/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
  CHECK(lacking(error_of([&] { task.open(directory.path() / "whole/checkpoint-10"); }), {"another vocabulary"}) == "");
}

// Means of a loss over the first and the last steps of a short training; steps without it do not count.
template <class Options>
std::map<std::string, std::pair<double, double>> learnt(const Options& options, int64_t steps, double rate) {
  RegionScenes scenes;
  auto task = task_of(scenes, options);
  LearnerOptions rule;
  rule.schedule = {.peak = rate, .warmup = steps / 10, .total = steps};
  rule.optimizer.variant = AdamWVariant::torch;
  Learner learner(task, rule);
  std::map<std::string, std::pair<double, double>> sums, counts;
  for (int64_t step = 0; step < steps; ++step) {
    const auto figures = learner.update(task.step(step));
    for (const auto& of : figures.terms) {
      if (of.loss == 0) continue;
      if (step < steps / 5) sums[of.term.name].first += of.loss, counts[of.term.name].first += 1;
      if (step >= steps - steps / 5) sums[of.term.name].second += of.loss, counts[of.term.name].second += 1;
    }
  }
  for (auto& [name, sum] : sums) {
    sum.first /= counts[name].first;
    sum.second /= counts[name].second;
  }
  return sums;
}

}  // namespace

TEST_CASE("region tasks: killed and continued, a run ends with the same bits") {
  check_resuming<UniterTask>(uniter_options());
  check_resuming<VilbertTask>(vilbert_options());
}

TEST_CASE("region tasks: they learn, and their answers are those of their logits") {
  UniterTaskOptions uniter = uniter_options(region_collator_options(16));
  uniter.mix.shares = {2, 2, 1, 0, 1};
  uniter.mix.wra_weight = 0;
  const auto of_uniter = learnt(uniter, 150, 5e-3);
  // The likelihood of words without any knowledge of them is that of their frequencies; features have a square of about
  // one eighth.
  CHECK(of_uniter.at("mlm").second < 0.75 * of_uniter.at("mlm").first);
  CHECK(of_uniter.at("mrfr").second < 0.5 * of_uniter.at("mrfr").first);
  const auto of_vilbert = learnt(vilbert_options(region_collator_options(16)), 400, 5e-3);
  CHECK(of_vilbert.at("mlm").second < 0.75 * of_vilbert.at("mlm").first);
  CHECK(of_vilbert.at("mrm").second < 0.95 * of_vilbert.at("mrm").first);

  RegionScenes scenes;
  const auto answers = [&](const auto& task) {
    const TextSample sample = scenes.source.text(0);
    std::vector<RegionQuestion> questions;
    for (int64_t i = 0; i < 70; ++i) questions.push_back({sample.ids, i % scenes.source.images(), {1, 2}});
    questions.push_back({sample.ids, 3, {}});
    const std::vector<double> scores = task.match_scores(scenes.source, questions);
    REQUIRE(scores.size() == 71);
    // The same question in another slice, among others of other lengths: f32 sums in other blocks, scores of order one.
    CHECK(scores[70] == doctest::Approx(scores[3]).epsilon(1e-4));
    const auto words = task.told_words(scenes.source, questions);
    CHECK(words[0].size() == 2);
    CHECK(words[70].empty());
    CHECK(words[43] == words[3]);
  };
  answers(task_of(scenes, uniter));
  answers(task_of(scenes, vilbert_options()));
}

}  // namespace tessera::region_runs_test
