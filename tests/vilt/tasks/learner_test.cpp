#include <doctest/doctest.h>

#include <sys/resource.h>

#include <limits>

#include "autograd/finite.h"
#include "autograd/tape.h"
#include "tensor/allocator.h"
#include "tensor/parallel.h"
#include "tests/error_text.h"
#include "tests/skipped.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::learner_test {
namespace {

using tests::Batches;
using tests::error_of;
using tests::everything;
using tests::lacking;
using tests::PretrainLearner;
using tests::tiny_settings;

// Sets the number of threads for a test.
class Threads {
 public:
  explicit Threads(int count) : before_(thread_count()) { set_thread_count(count); }
  ~Threads() { set_thread_count(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

struct Course {
  std::map<std::string, std::vector<float>> end;
  std::vector<double> losses;
  bool operator==(const Course&) const = default;
};

Course train_steps(const Settings& settings, int64_t steps) {
  const Batches batches(settings);
  PretrainLearner learner(settings);
  Course course;
  for (int64_t i = 0; i < steps; ++i) {
    const Figures report = learner.update(batches.step(i));
    course.losses.insert(course.losses.end(), {report.loss, report["mlm"].loss, report["itm"].loss, report["wpa"].loss,
                                               report.gradient_norm});
  }
  course.end = everything(learner);
  return course;
}

Settings larger_batch() {
  Settings settings = tiny_settings();
  settings.train.batch_size = 16;  // some 1,100 tokens: more than one chunk of work in every kernel
  return settings;
}

int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// Whether ten runs make no system call for memory and take no page faults. Runs that took their memory from the system
// anew would fault on every page ten times, thousands of times in all. On a quiet machine there are none; the bound
// leaves room for the C++ library's small blocks. On a busy one a thread may get no work in the first runs and take its
// scratch memory later: hence three tries.
template <class Run>
[[maybe_unused]] bool stays_quiet(Run&& run) {  // unused under AddressSanitizer, whose allocator keeps nothing
  for (int attempt = 0; attempt < 3; ++attempt) {
    const int64_t calls = memory_statistics().system_calls, faults = page_faults();
    for (int i = 0; i < 10; ++i) run();
    if (memory_statistics().system_calls == calls && page_faults() - faults < 64) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("One thread equals many, bit for bit, over several steps") {
  Settings settings = larger_batch();
  settings.model.hidden_dropout_prob = 0.1;
  Course expected;
  for (const int count : {1, 2, 3}) {
    const Threads threads(count);
    const Course course = train_steps(settings, 4);
    if (count == 1)
      expected = course;
    else
      CHECK(course == expected);
  }
}

TEST_CASE("With dropout: the same seed gives the same bits, another seed others, and a loss without dropout differs") {
  Settings settings = tiny_settings();
  settings.model.hidden_dropout_prob = 0.2;
  const Course first = train_steps(settings, 3);
  CHECK(first == train_steps(settings, 3));
  settings.model.hidden_dropout_prob = 0;
  CHECK_FALSE(first == train_steps(settings, 3));
  settings.model.hidden_dropout_prob = 0.2;
  settings.train.seed = 1;
  CHECK_FALSE(first == train_steps(settings, 3));
}

TEST_CASE("Training lowers the loss") {
  Settings settings = larger_batch();
  settings.train.steps = 40;
  settings.optimizer.learning_rate = 5e-3;
  const Batches batches(settings);
  PretrainLearner learner(settings);
  double first = 0, last = 0;
  for (int64_t i = 0; i < 40; ++i) {
    const Figures report = learner.update(batches.step(i));
    CHECK(report.step == i + 1);
    CHECK(report["itm"].count == 16);
    CHECK(report["mlm"].correct <= report["mlm"].count);
    (i < 5 ? first : last) += i < 5 || i >= 35 ? report.loss : 0;
  }
  // Forty steps learn how often the words occur: from about log(114) + log(2) = 5.4 to 4.5. Without learning it stays.
  CHECK(last < 0.85 * first);
}

// The later reports depend on the updates before them. Gradients are compared in objectives_test.cpp.
TEST_CASE("Micro-batches are invisible: the reports of three updates agree") {
  Settings settings = tiny_settings();
  const Batches whole(settings);
  PretrainLearner one(settings);
  settings.train.accumulate = 4;
  const Batches parts(settings);
  PretrainLearner many(settings);
  for (int64_t i = 0; i < 3; ++i) {
    const Figures a = one.update(whole.step(i)), b = many.update(parts.step(i));
    CHECK(a["mlm"].count == b["mlm"].count);
    CHECK(a["itm"].count == b["itm"].count);
    CHECK(b.loss == doctest::Approx(a.loss).epsilon(1e-5));
    CHECK(b.gradient_norm == doctest::Approx(a.gradient_norm).epsilon(1e-4));
  }
}

TEST_CASE("Objectives of weight zero: their heads are neither decayed nor stepped") {
  const auto changed = [](const Settings& settings) {
    const Batches batches(settings);
    PretrainLearner learner(settings);
    const auto before = everything(learner);
    for (int64_t i = 0; i < 3; ++i) learner.update(batches.step(i));
    const auto after = everything(learner);
    std::set<std::string> out;
    for (const ParameterSet::Slot& slot : learner.parameters().slots())
      if (before.at(slot.name) != after.at(slot.name)) out.insert(slot.name);
    return out;
  };
  const auto has = [](const std::set<std::string>& names, const std::string& prefix) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(prefix); });
  };
  Settings settings = tiny_settings();
  settings.optimizer.weight_decay = 0.1;
  const std::set<std::string> all = changed(settings);
  for (const char* prefix : {"mlm_score.", "itm_score.", "vilt.pooler.", "vilt.encoder.layer.1."})
    CHECK(has(all, prefix));
  settings.objectives.mlm_weight = 0;
  const std::set<std::string> no_words = changed(settings);
  CHECK_FALSE(has(no_words, "mlm_score."));
  CHECK(has(no_words, "itm_score."));
  settings.objectives.mlm_weight = 1;
  settings.objectives.itm_weight = 0;
  const std::set<std::string> no_matching = changed(settings);
  CHECK_FALSE(has(no_matching, "itm_score."));
  CHECK_FALSE(has(no_matching, "vilt.pooler."));
  CHECK(has(no_matching, "mlm_score."));
  settings.objectives.wpa_weight = 0;
  CHECK(has(changed(settings), "vilt.encoder.layer.1."));
}

TEST_CASE("Learning rate, its factors and the schedule of the two variants") {
  Settings settings = tiny_settings();
  settings.train.steps = 20;  // 2 of warm-up
  settings.optimizer.patch_projection_factor = 0;
  settings.optimizer.weight_decay = 0;
  const Batches batches(settings);
  PretrainLearner learner(settings);
  const auto before = everything(learner);
  CHECK(learner.update(batches.step(0)).learning_rate == doctest::Approx(1e-3));
  CHECK(learner.update(batches.step(1)).learning_rate == doctest::Approx(2e-3));
  const auto after = everything(learner);
  const std::string projection = "vilt.embeddings.patch_embeddings.projection.";
  CHECK(before.at(projection + "weight") == after.at(projection + "weight"));
  CHECK(before.at(projection + "bias") != after.at(projection + "bias"));
  settings.optimizer.variant = "transformers";
  PretrainLearner transformers(settings);
  CHECK(transformers.update(batches.step(0)).learning_rate == 0);
  CHECK(transformers.update(batches.step(1)).learning_rate == doctest::Approx(1e-3));
}

TEST_CASE("Clipping makes the update that of a gradient of the largest norm") {
  Settings settings = tiny_settings();
  settings.optimizer.eps = 1e3;  // AdamW is then nearly linear in the gradient
  settings.optimizer.learning_rate = 1e3;
  settings.optimizer.weight_decay = 0;
  settings.optimizer.warmup = 0;
  const Batches batches(settings);
  const auto movement = [&](double clip, double& norm) {
    settings.optimizer.clip = clip;
    PretrainLearner learner(settings);
    const auto before = everything(learner);
    norm = learner.update(batches.step(0)).gradient_norm;
    const auto after = everything(learner);
    double sum = 0;
    for (const ParameterSet::Slot& slot : learner.parameters().slots())
      for (size_t i = 0; i < before.at(slot.name).size(); ++i)
        sum += std::pow(static_cast<double>(after.at(slot.name)[i] - before.at(slot.name)[i]), 2);
    return std::sqrt(sum);
  };
  double norm = 0, same = 0;
  const double whole = movement(0, norm), half = movement(norm / 2, same), loose = movement(2 * norm, same);
  CHECK(same == norm);  // the reported norm is that before clipping
  // The movements are read off f32 parameters: roundings of 6e-8 against movements of about 1e-3.
  CHECK(half == doctest::Approx(whole / 2).epsilon(1e-2));
  CHECK(loose == whole);
}

TEST_CASE("After the first steps of a fixed shape a step makes no system call for memory and takes no page faults") {
#if defined(__SANITIZE_ADDRESS__)
  tests::skipped("under AddressSanitizer the allocator keeps no memory");
#else
  Settings settings = larger_batch();
  SUBCASE("every activation kept") {}
  SUBCASE("blocks computed again in backward") { settings.train.checkpoint_blocks = true; }
  SUBCASE("bf16") { settings.train.precision = "bf16"; }
  const auto step = Batches(settings).step(0);
  const Threads threads(2);
  PretrainLearner learner(settings);
  reset_peak_memory();
  const int64_t live = memory_statistics().live_bytes;
  for (int i = 0; i < 3; ++i) learner.update(step);
  const int64_t pages = (memory_statistics().peak_bytes - live) / 4096;  // that one step uses
  CAPTURE(pages);
  CHECK(pages > 256);
  CHECK(stays_quiet([&] { learner.update(step); }));
#endif
}

TEST_CASE("Blocks that are computed again in backward: the same bits, with dropout and micro-batches, in less memory") {
  Settings settings = larger_batch();
  settings.model.num_hidden_layers = 6;
  settings.train.accumulate = 2;
  settings.model.hidden_dropout_prob = 0.1;
  const auto peak_of = [&](bool checkpoint_blocks, Course& course) {
    settings.train.checkpoint_blocks = checkpoint_blocks;
    reset_peak_memory();
    const int64_t live = memory_statistics().live_bytes;
    course = train_steps(settings, 3);
    return memory_statistics().peak_bytes - live;
  };
  Course kept, again;
  const int64_t whole = peak_of(false, kept), less = peak_of(true, again);
  CHECK(kept == again);
  // Of each block its two inputs stay, 2 widths of 12 and more; of six blocks' activations less than half is left in
  // all.
  CHECK(less < whole * 3 / 4);
}

TEST_CASE("Evaluation of a fixed shape makes no system call for memory after its first batch") {
#if defined(__SANITIZE_ADDRESS__)
  tests::skipped("under AddressSanitizer the allocator keeps no memory");
#else
  const Settings settings = larger_batch();
  const auto step = Batches(settings).step(0);
  const Threads threads(2);
  PretrainLearner learner(settings);
  const auto evaluate = [&] {
    const NoGrad guard;
    const Variable hidden = learner.model().vilt(step[0].packed, ForwardContext{});
    return learner.model().matching_logits(hidden, step[0].objectives.pair_rows).value().numel();
  };
  for (int i = 0; i < 3; ++i) evaluate();
  CHECK(stays_quiet(evaluate));
#endif
}

TEST_CASE("Dropout of attention probabilities, which some configurations ask for, is an error in training") {
  Settings settings = tiny_settings();
  settings.model.attention_probs_dropout_prob = 0.1;
  CHECK(ModelConfig::from_json(settings.model.to_json(), "config.json").attention_probs_dropout_prob == 0.1);
  CHECK(error_of([&] { PretrainLearner learner(settings); }) ==
        "config: attention_probs_dropout_prob is 0.1; there is no dropout of attention probabilities in training, set "
        "it to 0");
}

TEST_CASE("Settings become options of the parts") {
  Settings settings = tiny_settings();
  settings.image.resize = "shorter";
  settings.train.curriculum = 0.25;
  settings.train.curriculum_group = "one_object";
  settings.objectives.false_images = "batch";
  settings.objectives.wpa_weight = 0;
  settings.objectives.itm_weight = 0;
  CHECK(sample_options(settings).resize);
  CHECK(sample_options(settings).shorter == 64);
  CHECK(sample_options(settings).norm.mean[2] == 0.2f);
  const CollatorOptions options = collator_options(settings);
  CHECK(options.curriculum_steps == 2);
  CHECK(options.false_images_in_batch);
  CHECK_FALSE(options.pairs);
  CHECK(options.masked_words);
  CHECK_FALSE(options.rand_augment);
  CHECK_FALSE(sample_options(settings).respect_orientation);
  settings.image.augment = "randaugment";
  settings.image.respect_orientation = true;
  CHECK(collator_options(settings).rand_augment);
  CHECK(sample_options(settings).respect_orientation);
  CHECK_FALSE(options.levels);
  settings.train.device = "cuda";
  CHECK(collator_options(settings).levels);
  CHECK(options.table_side == 6);
  CHECK(options.masking.variant == MaskingOptions::strict);
  CHECK(options.masking.max_length == 40);
}

}  // namespace tessera::learner_test
