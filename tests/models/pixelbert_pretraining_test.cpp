#include "models/pixelbert/pretraining.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/tape.h"
#include "models/pixelbert/scoring.h"
#include "tests/error_text.h"
#include "tests/models/tiny_pixelbert.h"

namespace tessera::pixelbert_pretraining_test {
namespace {

using tests::PixelBertBench;
using tests::tiny_pixelbert;
using tests::tiny_pixelbert_batches;
using Step = std::vector<PixelBertBatch>;

// The loss of a step; `after` is called with that of each micro-batch.
template <class After>
double step_loss(const PixelBertPretraining& task, const Step& step, const After& after) {
  std::vector<int64_t> divisors(2);
  for (const PixelBertBatch& batch : step)
    for (size_t i = 0; i < 2; ++i) divisors[i] += task.divisors(batch)[i];
  TicketSource tickets(1, 0);
  double out = 0;
  for (const PixelBertBatch& batch : step) {
    const Losses losses = task.losses(batch, divisors, tickets);
    if (!losses.total.defined()) continue;
    out += losses.total.value().to(DType::f64).item<double>();
    after(losses.total);
  }
  return out;
}

double loss_of(const PixelBertPretraining& task, const Step& step) {
  const NoGrad scope;
  return step_loss(task, step, [](const Variable&) {});
}

// By name.
std::map<std::string, std::vector<double>> gradients_of(PixelBertPretraining& task, const Step& step) {
  task.parameters().clear_gradients();
  step_loss(task, step, [](const Variable& loss) { loss.backward(); });
  task.parameters().finish_gradients();
  std::map<std::string, std::vector<double>> out;
  for (const ParameterSet::Slot& slot : task.parameters().slots())
    out.emplace(slot.name, slot.parameter.grad().to(DType::f64).to_vector<double>());
  return out;
}

PixelBertOptions in_f64() {
  PixelBertOptions options = tiny_pixelbert();
  options.dtype = DType::f64;
  return options;
}

// The largest error of gradients along random unit vectors of each parameter, in its bound. Steps of 1e-7: the loss,
// near 6, is rounded by some 1e-15, which leaves 1e-8 of the difference; truncation is 1e-14 times the third
// derivative. A kink (ReLU, maximum) within a step is unlikely: of some 3e4 activations each lies within 1e-7 of 0, in
// units of its deviation, with a chance of 1e-7, in all directions together 0.3.
double worst_error(PixelBertPretraining& task, const Step& step,
                   const std::map<std::string, std::vector<double>>& gradients) {
  constexpr double kStep = 1e-7;
  double worst = 0;
  for (const ParameterSet::Slot& slot : task.parameters().slots()) {
    Tensor value = slot.parameter.value();
    const std::vector<double> start = value.to_vector<double>(), &gradient = gradients.at(slot.name);
    Random random(5, static_cast<uint64_t>(slot.offset));
    std::vector<double> direction;
    double norm = 0, along = 0;
    for (size_t i = 0; i < start.size(); ++i) {
      direction.push_back(random.normal());
      norm += direction[i] * direction[i];
    }
    for (size_t i = 0; i < start.size(); ++i) along += (direction[i] /= std::sqrt(norm)) * gradient[i];
    const auto at = [&](double by) {
      for (size_t i = 0; i < start.size(); ++i) value.mutable_data<double>()[i] = start[i] + by * direction[i];
      return loss_of(task, step);
    };
    const double difference = (at(kStep) - at(-kStep)) / (2 * kStep);
    std::copy(start.begin(), start.end(), value.mutable_data<double>());
    worst =
        std::max(worst, std::abs(along - difference) / (1e-6 * std::max(std::abs(along), std::abs(difference)) + 5e-8));
  }
  return worst;
}

}  // namespace

TEST_CASE("pixel-bert: gradients of a whole step, several sizes of picture, batch statistics; a planted error") {
  PixelBertBatches batches = tiny_pixelbert_batches();
  batches.batch_size = 4;
  const Step step = PixelBertBench(batches).collator.step(0);
  REQUIRE(step[0].pictures.size() > 1);
  PixelBertPretraining task(in_f64());
  std::map<std::string, std::vector<double>> gradients = gradients_of(task, step);
  CHECK(worst_error(task, step, gradients) < 1);
  // What backward would give if the statistics did not depend on the pictures.
  PixelBertOptions frozen = in_f64();
  frozen.backbone = BackboneTraining::running_statistics;
  PixelBertPretraining other(frozen);
  std::map<std::string, std::vector<double>> planted = gradients;
  for (double& g : planted.at("visual.backbone.layer1.0.bn1.weight")) g *= 1 + 1e-4;
  CHECK(worst_error(task, step, planted) > 1);
  planted = gradients;
  planted.at("visual.conv.weight") = gradients_of(other, step).at("visual.conv.weight");
  CHECK(worst_error(task, step, planted) > 1);
}

TEST_CASE("pixel-bert: micro-batches do not show where the statistics are given, and do where they are the batch's") {
  PixelBertBatches batches = tiny_pixelbert_batches();
  const Step whole = PixelBertBench(batches).collator.step(1);
  batches.accumulate = 4;
  const Step parts = PixelBertBench(batches).collator.step(1);
  // Sums of some thousand terms in another order, each rounded by 1.1e-16, and a chain of ten such sums: 1e-12 of the
  // largest gradient of a parameter.
  const auto apart = [&](BackboneTraining backbone) {
    PixelBertOptions options = in_f64();
    options.backbone = backbone;
    PixelBertPretraining one(options), cut(options);
    const auto expected = gradients_of(one, whole), got = gradients_of(cut, parts);
    double worst = 0;
    for (const auto& [name, values] : expected) {
      double largest = 1e-3, difference = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        largest = std::max(largest, std::abs(values[i]));
        difference = std::max(difference, std::abs(values[i] - got.at(name)[i]));
      }
      worst = std::max(worst, difference / largest);
    }
    return worst;
  };
  CHECK(apart(BackboneTraining::running_statistics) < 1e-12);
  CHECK(apart(BackboneTraining::frozen) < 1e-12);
  CHECK(apart(BackboneTraining::batch_statistics) > 1e-3);
}

TEST_CASE("pixel-bert: what is trained, and how the running statistics move") {
  const Step step = PixelBertBench().collator.step(0);
  const auto statistics_of = [](PixelBertPretraining& task) {
    return task.parameters().state().at("visual.backbone.bn1.running_mean").to_vector<float>();
  };
  PixelBertOptions options = tiny_pixelbert();
  PixelBertPretraining batch(options);
  const std::vector<float> before = statistics_of(batch);
  CHECK(gradients_of(batch, step).at("visual.backbone.conv1.weight")[0] != 0);
  CHECK(statistics_of(batch) != before);
  CHECK(batch.group("visual.backbone.conv1.weight", batch.parameters().at("visual.backbone.conv1.weight"))
            .learning_rate_multiplier == 1);

  options.backbone = BackboneTraining::running_statistics;
  options.backbone_rate = 0.25;
  PixelBertPretraining running(options);
  CHECK(gradients_of(running, step).at("visual.backbone.conv1.weight")[0] != 0);
  CHECK(statistics_of(running) == before);
  CHECK(running.trained().contains("visual.backbone.bn1.weight"));
  CHECK(running.group("visual.backbone.bn1.bias", running.parameters().at("visual.backbone.bn1.bias"))
            .learning_rate_multiplier == 0.25);
  CHECK(running.group("visual.conv.weight", running.parameters().at("visual.conv.weight")).learning_rate_multiplier ==
        1);

  options.backbone = BackboneTraining::frozen;
  options.itm_weight = 0;
  PixelBertPretraining frozen(options);
  CHECK(gradients_of(frozen, step).at("visual.backbone.conv1.weight")[0] == 0);
  CHECK(gradients_of(frozen, step).at("visual.conv.weight")[0] != 0);
  CHECK(statistics_of(frozen) == before);
  CHECK_FALSE(frozen.trained().contains("visual.backbone.bn1.weight"));
  CHECK_FALSE(frozen.trained().contains("bert.pooler.dense.weight"));
  CHECK_FALSE(frozen.trained().contains("cls.seq_relationship.bias"));
  CHECK(frozen.trained().contains("cls.predictions.bias"));
  CHECK(pixelbert_loss_equation(1, 0) == "loss = 1 · mlm (mean over masked tokens)");
  options.itm_weight = 0.5;
  options.mlm_weight = 0;
  CHECK_FALSE(PixelBertPretraining(options).trained().contains("cls.predictions.bias"));
}

// One picture with the captions given.
struct OnePicture {
  std::string json;
  Dataset dataset;
  SampleSource source;
  Quarantine quarantine{0, [](const std::string&) {}};

  explicit OnePicture(const std::string& captions)
      : json(R"({"images":[{"imgid":0,"split":"train","filepath":"train","filename":"000000.jpg","sentids":[0,1],)" +
             text(R"("sentences":[)", captions, "]}]}")),
        dataset(Dataset::parse(json, "", "one.json", tests::tiny_scenes().folder() / "images")),
        source(dataset, tests::tiny_scenes().vocabulary(), PixelBertBench::samples()) {}
};

TEST_CASE("pixel-bert: one picture, an empty caption, one cell, a step of one") {
  OnePicture one(R"({"sentid":0,"imgid":0,"raw":"ring"},{"sentid":1,"imgid":0,"raw":"a red ring"})");
  PixelBertOptions options = tiny_pixelbert();
  PixelBertBatches batches = tiny_pixelbert_batches();
  batches.batch_size = 2;
  const Sampler sampler(one.source.captions(), {.batch_size = 2});
  PixelBertCollator collator(one.source, sampler, options.model, batches, one.quarantine);
  const Step step = collator.step(0);
  REQUIRE(step[0].pictures.size() == 1);
  CHECK(step[0].pictures[0].size(0) == 1);  // four sequences, one picture
  // There is no false picture: both pairs stay true.
  CHECK(step[0].pair_labels.to_vector<int64_t>() == std::vector<int64_t>{1, 1});
  PixelBertPretraining task(options);
  CHECK(std::isfinite(loss_of(task, step)));
  for (const auto& [name, gradient] : gradients_of(task, step))
    for (const double g : gradient) CHECK_MESSAGE(std::isfinite(g), name);

  // Captions without a word are [CLS] [SEP], of which nothing is masked: there is nothing to learn of words.
  PixelBertBatch empty = step[0];
  for (std::vector<int64_t>& words : empty.texts) words = {words.front(), words.back()};
  empty.masked_rows = empty.masked_labels = Tensor::from(std::vector<int64_t>{});
  CHECK(std::isfinite(loss_of(task, {empty})));
  // As one micro-batch of two: the step's loss is divided by the masked words of the other.
  CHECK(loss_of(task, {step[0], empty}) > 0);
  options.itm_weight = 0;
  PixelBertPretraining words(options);
  CHECK(loss_of(words, {empty}) == 0);
  CHECK(loss_of(words, {step[0], empty}) == loss_of(words, step));

  // One cell: the stem leaves one pixel, over which, of one picture, batch statistics have nothing to divide by.
  PixelBertOptions cell = tiny_pixelbert();
  cell.model.cnn.stem_stride = 63;
  cell.model.cnn.stem_kernel = 3;
  cell.model.pool = false;
  PixelBertBatch batch = step[0];
  batch.pictures[0] = batch.pictures[0].narrow(2, 0, 60).narrow(3, 0, 60).contiguous();
  CHECK(cell.model.grid({60, 60}) == Size2d(1, 1));
  for (CellRange& range : batch.ranges) range = {0, 0, 1};
  for (std::vector<int64_t>& selected : batch.selected) selected = {0};
  PixelBertPretraining of_cell(cell);
  for (const auto& [name, gradient] : gradients_of(of_cell, {batch}))
    for (const double g : gradient) CHECK_MESSAGE(std::isfinite(g), name);
}

TEST_CASE("pixel-bert: scores of a pair do not depend on the others; hits of masked words") {
  const PixelBertBench bench;
  PixelBertPretraining task(tiny_pixelbert());
  std::vector<CaptionedPicture> pairs;
  for (int64_t i = 0; i < 12; ++i) pairs.push_back({i, (i * 5) % 12});
  const std::vector<double> together = match_scores(task.model(), bench.source, pairs);
  REQUIRE(together.size() == 12);
  for (size_t i = 0; i < 12; i += 3) {
    const std::vector<double> alone = match_scores(task.model(), bench.source, std::span(pairs).subspan(i, 1));
    // f32, logits below 10, products of a few dozen terms in another order.
    CHECK(alone[0] == doctest::Approx(together[i]).epsilon(1e-5));
  }
  CHECK(match_scores(task.model(), bench.source, {}).empty());
  const TextSample sample = bench.source.text(0);
  Masking none{sample.ids, std::vector<int64_t>(sample.ids.size(), kIgnoreLabel)}, easy = none;
  easy.labels[1] = 7;
  // A bias that outweighs every score.
  task.parameters().state().at("cls.predictions.bias").mutable_data<float>()[7] = 1000;
  const std::vector<MaskedCaption> texts{{none, 0}, {easy, 1}, {easy, 0}};
  CHECK(masked_word_hits(task.model(), bench.source, texts) == std::vector<bool>{false, true, true});
}

TEST_CASE("pixel-bert: a tiny model learns the words of a few pictures") {
  PixelBertBatches batches = tiny_pixelbert_batches();
  batches.sampled_cells = 0;
  const PixelBertBench bench(batches);
  PixelBertPretraining task(tiny_pixelbert());
  LearnerOptions options;
  options.schedule = {.peak = 1e-2, .warmup = 10, .total = 500};
  Learner<PixelBertPretraining> learner(task, options);
  double first = 0, last = 0;
  for (int64_t step = 0; step < 500; ++step) {
    const Figures figures = learner.update(bench.collator.step(step));
    if (step < 10) first += figures["mlm"].loss / 10;
    if (step >= 490) last += figures["mlm"].loss / 10;
  }
  MESSAGE("masked words: loss ", first, " at first, ", last, " at last");
  // Guessing by how often a word occurs costs about 3; half of the first loss is beyond that.
  CHECK(last < 0.5 * first);
}

}  // namespace tessera::pixelbert_pretraining_test
