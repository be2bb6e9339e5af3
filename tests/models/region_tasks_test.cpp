// UNITER's and ViLBERT's pre-training as tasks.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/error_text.h"
#include "tests/models/region_tasks.h"

namespace tessera::region_tasks_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::region_collator_options;
using tests::RegionScenes;
using tests::step_with;
using tests::task_of;
using tests::uniter_options;
using tests::vilbert_options;

std::vector<double> values_of(const Tensor& tensor) {
  return tensor.defined() ? tensor.to(DType::f64).to_vector<double>() : std::vector<double>{};
}

// All numbers of a micro-batch.
std::vector<double> numbers(const UniterTaskBatch& batch) {
  std::vector<double> out{static_cast<double>(batch.objective)};
  for (const Tensor& tensor :
       {batch.packed.ids, batch.packed.features, batch.packed.places, batch.packed.masked_rows, batch.packed.cu_seqlens,
        batch.masked_rows, batch.masked_labels, batch.features, batch.distributions, batch.pair_labels})
    for (const double value : values_of(tensor)) out.push_back(value);
  return out;
}
std::vector<double> numbers(const VilbertTaskBatch& batch) {
  std::vector<double> out;
  for (const Tensor& tensor :
       {batch.texts.ids, batch.texts.cu_seqlens, batch.pictures.features, batch.pictures.locations, batch.word_rows,
        batch.word_labels, batch.region_rows, batch.distributions, batch.match})
    for (const double value : values_of(tensor)) out.push_back(value);
  return out;
}

// The loss of a step in f64, and its gradient.
struct StepGradient {
  double loss = 0, slope = 0;  // along the direction of Place
  std::map<std::string, std::vector<double>> gradient;
};
// Where: at the initial parameters, or so far from them along a direction that is drawn.
struct Place {
  double far = 0;
  uint64_t seed = 0;
  // The component of parameter `name` (its place in the arena) in the direction.
  std::vector<double> direction(const ParameterSet::Slot& slot) const {
    Random random(seed, slot.offset);
    std::vector<double> out(static_cast<size_t>(slot.parameter.value().numel()));
    for (double& value : out) value = random.normal();
    return out;
  }
};
template <class Model, class Batch, class LossOf>
StepGradient step_gradient(Model& model, const std::vector<Batch>& step, const Place& place, const LossOf& losses_of) {
  ParameterSet parameters(model, DType::f64);
  for (const ParameterSet::Slot& slot : parameters.slots()) {
    const std::vector<double> direction = place.direction(slot);
    Tensor value = slot.parameter.value();
    for (size_t i = 0; i < direction.size(); ++i) value.mutable_data<double>()[i] += place.far * direction[i];
  }
  StepGradient out;
  for (const Batch& batch : step) {
    const Losses losses = losses_of(model, batch);
    if (!losses.total.defined()) continue;
    out.loss += losses.total.value().template item<double>();
    losses.total.backward();
  }
  parameters.finish_gradients();
  for (const ParameterSet::Slot& slot : parameters.slots()) {
    out.gradient[slot.name] = slot.parameter.grad().template to_vector<double>();
    const std::vector<double> direction = place.direction(slot);
    for (size_t i = 0; i < direction.size(); ++i) out.slope += direction[i] * out.gradient[slot.name][i];
  }
  return out;
}
StepGradient gradient_of(const UniterTaskOptions& options, const std::vector<UniterTaskBatch>& step,
                         bool planted = false, const Place& place = {}) {
  std::vector<int64_t> divisors(3);
  for (const UniterTaskBatch& batch : step)
    for (size_t i = 0; i < 3; ++i) divisors[i] += uniter_divisors(batch)[i];
  UniterWithHeads model(options.model, options.mix.heads());
  model.visit("", drawing(options.drawn));
  return step_gradient(model, step, place, [&](UniterWithHeads& of, const UniterTaskBatch& batch) {
    return uniter_losses(of, batch, options.mix, planted ? uniter_divisors(batch) : divisors, {});
  });
}
StepGradient gradient_of(const VilbertTaskOptions& options, const std::vector<VilbertTaskBatch>& step,
                         bool planted = false, const Place& place = {}) {
  std::vector<int64_t> divisors(3);
  for (const VilbertTaskBatch& batch : step)
    for (size_t i = 0; i < 3; ++i) divisors[i] += vilbert_divisors(batch)[i];
  VilbertPretraining model(options.model);
  model.visit("", drawing(options.drawn));
  return step_gradient(model, step, place, [&](VilbertPretraining& of, const VilbertTaskBatch& batch) {
    return vilbert_task_losses(of, batch, options.weights, planted ? vilbert_divisors(batch) : divisors, {});
  });
}

// The largest difference, as a part of the largest gradient of its parameter (or of 1e-4 where that is smaller: some
// gradients are zero in exact arithmetic).
double worst_difference(const StepGradient& one, const StepGradient& two) {
  double worst = std::abs(one.loss - two.loss) / std::abs(one.loss);
  for (const auto& [name, values] : one.gradient) {
    const std::vector<double>& others = two.gradient.at(name);
    double largest = 1e-4, difference = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      largest = std::max(largest, std::abs(values[i]));
      difference = std::max(difference, std::abs(values[i] - others[i]));
    }
    worst = std::max(worst, difference / largest);
  }
  return worst;
}

// The same sums in another order: each gradient adds some thousand products, each rounded to 1.1e-16 of itself, and
// passes few layers. What is lost by a wrong divisor is a large part of the whole.
constexpr double kOrderOfSums = 1e-10;

}  // namespace

TEST_CASE("region tasks: a step is a function of its number, whatever was asked for before") {
  const auto same = [](const auto& options) {
    RegionScenes scenes, others;
    const auto one = task_of(scenes, options), two = task_of(others, options);
    for (const int64_t step : {0, 1, 2, 3}) two.step(step);
    for (const int64_t step : {3, 0}) {
      const auto first = one.step(step), second = two.step(step);
      REQUIRE(first.size() == 2);
      REQUIRE(second.size() == 2);
      for (size_t i = 0; i < 2; ++i) CHECK(numbers(first[i]) == numbers(second[i]));
    }
    CHECK(numbers(one.step(0)[0]) != numbers(one.step(1)[0]));
  };
  same(uniter_options(region_collator_options(8, 2)));
  same(vilbert_options(region_collator_options(8, 2)));
}

TEST_CASE("uniter task: one task per step, by the shares, and one side masked alone") {
  UniterTaskOptions options = uniter_options();
  options.mix.shares = {2, 2, 1, 0, 1};
  std::vector<int64_t> counts(5);
  for (int64_t step = 0; step < 6000; ++step) ++counts[static_cast<size_t>(options.mix.drawn(3, step))];
  // Five standard deviations of 6000 draws of one third, and of one sixth, are 183 and 144.
  CHECK(std::abs(counts[0] - 2000) < 183);
  CHECK(std::abs(counts[1] - 2000) < 183);
  CHECK(std::abs(counts[2] - 1000) < 144);
  CHECK(counts[3] == 0);
  CHECK(std::abs(counts[4] - 1000) < 144);

  options = uniter_options();
  RegionScenes scenes;
  const UniterTask task = task_of(scenes, options);
  const int64_t mask = scenes.source.vocabulary().mask_id();
  const auto has_mask = [&](const UniterTaskBatch& batch) {
    const std::vector<int64_t> ids = batch.packed.ids.to_vector<int64_t>();
    return std::find(ids.begin(), ids.end(), mask) != ids.end();
  };
  for (size_t i = 0; i < kUniterObjectives.size(); ++i) {
    CAPTURE(kUniterObjectives[i]);
    const auto objective = static_cast<UniterObjective>(i);
    const UniterTaskBatch batch = task.step(step_with(options, objective))[0];
    CHECK(batch.objective == objective);
    const bool words = objective == UniterObjective::mlm, pairs = objective == UniterObjective::itm;
    CHECK(has_mask(batch) == words);
    CHECK((batch.masked_words() > 0) == words);
    CHECK((batch.pairs() > 0) == pairs);
    CHECK((batch.masked_regions() > 0) == (!words && !pairs));
    CHECK(batch.packed.masked_rows.numel() == batch.masked_regions());
    CHECK(batch.packed.sequences() == 8);
  }
}

TEST_CASE("uniter task: rows of masked words are words, never [CLS] or [SEP]") {
  RegionScenes scenes;
  const UniterTaskOptions options = uniter_options();
  const UniterTask task = task_of(scenes, options);
  const UniterTaskBatch batch = task.step(step_with(options, UniterObjective::mlm))[0];
  const std::vector<int64_t> order = batch.packed.order.to_vector<int64_t>(),
                             ids = batch.packed.ids.to_vector<int64_t>(), rows = batch.masked_rows.to_vector<int64_t>();
  const int64_t cls = scenes.source.vocabulary().cls_id(), sep = scenes.source.vocabulary().sep_id();
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t token = order[static_cast<size_t>(rows[i])];
    REQUIRE(token < static_cast<int64_t>(ids.size()));  // later ones are regions
    const int64_t label = batch.masked_labels.to_vector<int64_t>()[i];
    CHECK(label != cls);
    CHECK(label != sep);
  }
}

TEST_CASE("vilbert task: the first row of a picture is never told, and its mean leaves masked regions out") {
  RegionScenes scenes;
  const VilbertTaskOptions options = vilbert_options(region_collator_options(16));
  const VilbertTaskBatch batch = task_of(scenes, options).step(0)[0];
  const std::vector<int64_t> marks = batch.pictures.cu_seqlens.to_vector<int64_t>(),
                             rows = batch.region_rows.to_vector<int64_t>(),
                             words = batch.word_rows.to_vector<int64_t>(),
                             texts = batch.texts.cu_seqlens.to_vector<int64_t>();
  REQUIRE(!rows.empty());
  for (const int64_t row : rows) CHECK(std::find(marks.begin(), marks.end(), row) == marks.end());
  for (const int64_t row : words) {
    CHECK(std::find(texts.begin(), texts.end(), row) == texts.end());      // [CLS]
    CHECK(std::find(texts.begin(), texts.end(), row + 1) == texts.end());  // [SEP]
  }
  CHECK(batch.distributions.shape() == Shape{static_cast<int64_t>(rows.size()), tests::kSceneClasses});

  const Tensor features = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2}), boxes = Tensor::zeros({3, 4});
  const auto rows_with = [&](const MaskedRegions& masked) {
    return picture_rows(features, boxes, 4, 4, masked).features.to_vector<float>();
  };
  CHECK(rows_with({}) == std::vector<float>{3, 4, 1, 2, 3, 4, 5, 6});
  // Region 1 is masked and hidden, region 2 masked and shown: neither is in the mean.
  CHECK(rows_with({{1, 2}, {1}}) == std::vector<float>{1, 2, 1, 2, 0, 0, 5, 6});
  CHECK(rows_with({{0, 1, 2}, {0, 1, 2}}) == std::vector<float>(8));
  CHECK(lacking(error_of([&] { rows_with({{}, {3}}); }), {"region 3 of 3"}) == "");
}

TEST_CASE("vilbert task: false pairs are masked like true ones, so that masks do not tell them apart") {
  RegionScenes scenes;
  VilbertTaskOptions options = vilbert_options(region_collator_options(32));
  options.collator.masking.false_pairs = false;
  const VilbertTaskBatch batch = task_of(scenes, options).step(0)[0];
  const std::vector<int64_t> ids = batch.texts.ids.to_vector<int64_t>(),
                             marks = batch.texts.cu_seqlens.to_vector<int64_t>(),
                             match = batch.match.to_vector<int64_t>(), rows = batch.word_rows.to_vector<int64_t>();
  const int64_t mask = scenes.source.vocabulary().mask_id();
  int64_t masked_false = 0;
  for (size_t i = 0; i < match.size(); ++i) {
    const auto told =
        std::count_if(rows.begin(), rows.end(), [&](int64_t row) { return row >= marks[i] && row < marks[i + 1]; });
    CHECK((told > 0) == (match[i] == 0));
    masked_false += match[i] == 1 &&
                    std::find(ids.begin() + marks[i], ids.begin() + marks[i + 1], mask) != ids.begin() + marks[i + 1];
  }
  CHECK(masked_false > 4);
}

TEST_CASE("region tasks: micro-batches of a step give the gradient of the whole") {
  RegionScenes scenes;
  for (size_t i = 0; i < kUniterObjectives.size(); ++i) {
    CAPTURE(kUniterObjectives[i]);
    const UniterTaskOptions whole = uniter_options(), parts = uniter_options(region_collator_options(8, 4));
    const int64_t number = step_with(whole, static_cast<UniterObjective>(i));
    const auto one = task_of(scenes, whole).step(number), four = task_of(scenes, parts).step(number);
    REQUIRE(one.size() == 1);
    REQUIRE(four.size() == 4);
    const StepGradient expected = gradient_of(whole, one);
    CHECK(worst_difference(expected, gradient_of(parts, four)) < kOrderOfSums);
    CHECK(worst_difference(expected, gradient_of(parts, four, true)) > 0.1);  // divided by the own counts
  }
  const VilbertTaskOptions whole = vilbert_options(), parts = vilbert_options(region_collator_options(8, 4));
  const StepGradient expected = gradient_of(whole, task_of(scenes, whole).step(2));
  CHECK(worst_difference(expected, gradient_of(parts, task_of(scenes, parts).step(2))) < kOrderOfSums);
  CHECK(worst_difference(expected, gradient_of(parts, task_of(scenes, parts).step(2), true)) > 0.1);
}

TEST_CASE("region tasks: a step's gradient is the slope of its loss") {
  // Central differences over 1e-5 in f64: rounding leaves 1e-16 · loss / 1e-5 = 1e-11; truncation is 2e-11 times the
  // third derivative along a direction of some thousand components of size one, of which the slope, about 10, is the
  // first: so 1e-5 of it. An error in one weight of the tied ones shows as far more.
  const auto check_slope = [](const auto& options, const auto& step) {
    for (const uint64_t seed : {1, 2}) {
      const double slope = gradient_of(options, step, false, {0, seed}).slope;
      const auto loss = [&](double far) { return gradient_of(options, step, false, {far, seed}).loss; };
      CHECK((loss(1e-5) - loss(-1e-5)) / 2e-5 == doctest::Approx(slope).epsilon(1e-5));
      CHECK((loss(1e-5) - loss(-1e-5)) / 2e-5 != doctest::Approx(1.001 * slope).epsilon(1e-5));
    }
  };
  RegionScenes scenes;
  UniterTaskOptions uniter = uniter_options();
  uniter.mix.wra_weight = 0;  // its plan is a constant in backward (docs/design.md, 7)
  for (size_t i = 0; i < kUniterObjectives.size(); ++i) {
    CAPTURE(kUniterObjectives[i]);
    check_slope(uniter, task_of(scenes, uniter).step(step_with(uniter, static_cast<UniterObjective>(i))));
  }
  const VilbertTaskOptions vilbert = vilbert_options();
  check_slope(vilbert, task_of(scenes, vilbert).step(0));
}

TEST_CASE("region tasks: ranks share out a step") {
  RegionScenes scenes;
  const auto options = vilbert_options();
  std::vector<VilbertTaskBatch> dealt;
  for (int64_t rank = 0; rank < 2; ++rank)
    for (const auto& batch : task_of(scenes, options, {rank, 2}).step(1)) dealt.push_back(batch);
  CHECK(worst_difference(gradient_of(options, task_of(scenes, options).step(1)), gradient_of(options, dealt)) <
        kOrderOfSums);
}

TEST_CASE("region tasks: an empty text, a picture without regions, and nothing to learn from") {
  RegionScenes scenes;
  const Wordpiece& words = scenes.source.vocabulary();
  RegionPair pair;
  pair.text.ids = pair.words.ids = {words.cls_id(), words.sep_id()};
  pair.words.labels = {kIgnoreLabel, kIgnoreLabel};
  Regions none;
  none.height = none.width = 10;
  pair.regions = readable_regions(none, tests::kSceneChannels, tests::kSceneClasses, "a").regions;
  const UniterTaskOptions uniter = uniter_options();
  UniterTask task = task_of(scenes, uniter);
  TicketSource tickets(1, 0);
  for (size_t i = 0; i < kUniterObjectives.size(); ++i) {
    const auto objective = static_cast<UniterObjective>(i);
    const UniterTaskBatch batch = UniterTaskBatch::of(objective, {&pair, 1}, scenes.source, uniter.model);
    const Losses losses = task.losses(batch, uniter_divisors(batch), tickets);
    CHECK(losses.total.defined() == (objective == UniterObjective::itm));
    if (losses.total.defined()) CHECK(std::isfinite(losses.total.value().item<float>()));
  }
  const VilbertTaskOptions vilbert = vilbert_options();
  VilbertTask other = task_of(scenes, vilbert);
  const VilbertTaskBatch batch = VilbertTaskBatch::of({&pair, 1}, scenes.source, vilbert.model);
  CHECK(vilbert_divisors(batch) == std::vector<int64_t>{0, 0, 1});
  const Losses losses = other.losses(batch, vilbert_divisors(batch), tickets);
  CHECK(std::isfinite(losses.total.value().item<float>()));
  CHECK(!losses["mlm"].loss.defined());
  CHECK(!losses["mrm"].loss.defined());
}

TEST_CASE("region tasks: what is trained is what a loss reaches") {
  RegionScenes scenes;
  UniterTaskOptions uniter = uniter_options();
  uniter.mix.shares = {1, 0, 0, 0, 0};
  UniterTask words = task_of(scenes, uniter);
  CHECK(!words.trained().contains("uniter.pooler.dense.weight"));
  CHECK(!words.trained().contains("uniter.img_embeddings.mask_embedding.weight"));
  CHECK(words.trained().contains("cls.predictions.bias"));
  CHECK(words.parameters().find("itm_output.weight") == nullptr);
  TicketSource tickets(1, 0);
  const UniterTaskBatch batch = words.step(0)[0];
  words.losses(batch, uniter_divisors(batch), tickets).total.backward();
  std::set<std::string> reached;
  for (const std::string& name : words.parameters().reached()) reached.insert(name);
  CHECK(reached == words.trained());
  VilbertTaskOptions vilbert = vilbert_options();
  vilbert.weights = {.mlm = 0, .mrm = 1, .match = 0};
  const VilbertTask regions = task_of(scenes, vilbert);
  CHECK(!regions.trained().contains("bert.t_pooler.dense.weight"));
  CHECK(!regions.trained().contains("cls.predictions.bias"));
  CHECK(regions.trained().contains("cls.imagePredictions.decoder.weight"));
}

TEST_CASE("region tasks: options that cannot be") {
  RegionScenes scenes;
  const auto refusal = [&](const auto& options) { return error_of([&] { task_of(scenes, options); }); };
  UniterTaskOptions uniter = uniter_options();
  uniter.mix.shares = {};
  CHECK(lacking(refusal(uniter), {"no task has a share"}) == "");
  uniter.mix.shares[0] = -1;
  CHECK(lacking(refusal(uniter), {"the share of mlm is -1"}) == "");
  uniter = uniter_options();
  uniter.collator.masking.region_shown = 0.1;
  CHECK(lacking(refusal(uniter), {"always hidden"}) == "");
  VilbertTaskOptions vilbert = vilbert_options();
  vilbert.weights = {0, 0, 0};
  CHECK(lacking(refusal(vilbert), {"no loss has a weight"}) == "");
}

}  // namespace tessera::region_tasks_test
