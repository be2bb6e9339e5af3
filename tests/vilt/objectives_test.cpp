#include "vilt/objectives.h"

#include <doctest/doctest.h>

#include "tests/ops/reference.h"
#include "tests/vilt/step_gradients.h"

namespace tessera::objectives_test {
namespace {

using tests::Batches;
using tests::compare;
using tests::Comparison;
using tests::run;
using tests::tiny_settings;
using tests::TinyModel;
using tests::values_of;

std::vector<PretrainBatch> first_step(int64_t batch_size, int64_t accumulate = 1) {
  Settings settings = tiny_settings();
  settings.train.batch_size = batch_size;
  settings.train.accumulate = accumulate;
  return Batches(settings).step(0);
}

}  // namespace

// The plan of the word-patch alignment is a constant in backward: the published loss differentiates Σ plan · cost by
// the cost alone. But the plan is computed from the cost, so a difference quotient of the loss as it is computed also
// sees the plan move. Two facts, both kept here: with the plan frozen, backward agrees with the differences; with the
// plan recomputed, a correct backward looks wrong. (After infinitely many iterations at a small beta the plan would be
// optimal, and then, by the envelope theorem, its movement would not matter; 50 at beta 0.5 are far from that.)
TEST_CASE("Gradient check of the whole loss: passes with the plan frozen, fails with the plan recomputed") {
  const auto step = first_step(3);
  const TinyModel tiny(tiny_settings(), DType::f64);
  ObjectiveOptions options;
  options.wpa_weight = 1;  // a weight at which an error of the third loss would show beside the others
  const Tensor plan = run(tiny, step, 0, options).plan;

  const Comparison frozen = compare(tiny, step, options, plan, 3);
  INFO("worst: ", frozen.name);
  CHECK(frozen.worst < 1);

  ObjectiveOptions alignment;
  alignment.mlm_weight = alignment.itm_weight = 0;
  CHECK(compare(tiny, step, alignment, run(tiny, step, 0, alignment).plan, 1).worst < 1);
  const Comparison recomputed = compare(tiny, step, alignment, {}, 1);
  CHECK(recomputed.worst > 100);
  CHECK(recomputed.worst_relative > 0.02);
}

TEST_CASE("The gradient check sees an error of one parameter") {
  const auto step = first_step(2);
  const TinyModel tiny(tiny_settings(), DType::f64);
  const Tensor plan = run(tiny, step, 0, {}).plan;
  // Backward of another loss (half the weight of matching) against differences of this one.
  ObjectiveOptions half;
  half.itm_weight = 0.5;
  tiny.parameters->clear_gradients();
  run(tiny, step, 0, half, plan).total.backward();
  const std::vector<double> wrong = tiny.parameters->at("itm_score.fc.bias").grad().to_vector<double>();
  tiny.parameters->clear_gradients();
  run(tiny, step, 0, {}, plan).total.backward();
  const std::vector<double> right = tiny.parameters->at("itm_score.fc.bias").grad().to_vector<double>();
  CHECK(std::abs(wrong[0] - 0.5 * right[0]) < 1e-12);
  CHECK(compare(tiny, step, {}, plan, 1).worst < 1);
}

TEST_CASE("k micro-batches of b equal one batch of k · b") {
  // f64: a few hundred roundings of 1e-16. f32: roundings of 6e-8 in sums of a few hundred terms that partly cancel,
  // and matrix products whose shapes, and so whose order of summation, differ.
  for (const auto& [dtype, bound] : {std::pair(DType::f64, 1e-12), std::pair(DType::f32, 2e-5)}) {
    const auto whole = first_step(8), parts = first_step(8, 4);
    REQUIRE(parts.size() == 4);
    CHECK(count_divisors(parts)[0] == whole[0].masked());
    CHECK(count_divisors(parts)[1] == 8);
    const TinyModel one(tiny_settings(), dtype), many(tiny_settings(), dtype);
    const Objectives expected = run(one, whole, 0, {});
    expected.total.backward();
    double total = 0, mlm = 0, itm = 0, wpa = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      const Objectives part = run(many, parts, i, {});
      part.total.backward();
      total += part.total.value().item<double>();
      mlm += part["mlm"].loss.value().item<double>();
      itm += part["itm"].loss.value().item<double>();
      wpa += part["wpa"].loss.value().item<double>();
    }
    const auto close = [&, bound = bound](double a, const Variable& b) {
      return std::abs(a - b.value().item<double>()) <= bound * std::max(1.0, std::abs(a));
    };
    CHECK(close(total, expected.total));
    CHECK(close(mlm, expected["mlm"].loss));
    CHECK(close(itm, expected["itm"].loss));
    CHECK(close(wpa, expected["wpa"].loss));
    one.parameters->finish_gradients();
    many.parameters->finish_gradients();
    for (const ParameterSet::Slot& slot : one.parameters->slots()) {
      INFO(slot.name);
      const auto a = values_of(many.parameters->at(slot.name).grad()), b = values_of(slot.parameter.grad());
      CHECK(tests::relative_difference(a, b) < bound);
    }
  }
}

TEST_CASE("The terms are what they are said to be") {
  const auto step = first_step(4);
  const TinyModel tiny(tiny_settings(), DType::f64);
  ObjectiveOptions options;
  options.mlm_weight = 0.7;
  options.itm_weight = 2;
  const Objectives out = run(tiny, step, 0, options);
  const auto item = [](const Variable& v) { return v.value().item<double>(); };
  CHECK(item(out.total) ==
        doctest::Approx(0.7 * item(out["mlm"].loss) + 2 * item(out["itm"].loss) + 0.1 * item(out["wpa"].loss))
            .epsilon(1e-13));
  // Cross-entropies and the signed distances, computed here.
  const auto cross_entropy = [](const Tensor& logits, const Tensor& labels) {
    return reference::cross_entropy(logits, labels.to_vector<int64_t>(), true, -100);
  };
  CHECK(item(out["mlm"].loss) ==
        doctest::Approx(cross_entropy(out["mlm"].logits.value(), step[0].objectives.masked_labels)).epsilon(1e-12));
  CHECK(item(out["itm"].loss) ==
        doctest::Approx(cross_entropy(out["itm"].logits.value(), step[0].objectives.pair_labels)).epsilon(1e-12));
  const auto cost = out.cost.to_vector<double>(), plan = out.plan.to_vector<double>();
  const auto labels = step[0].objectives.pair_labels.to_vector<int64_t>();
  const auto words = step[0].objectives.cu_words.to_vector<int64_t>(),
             patches = step[0].objectives.cu_patches.to_vector<int64_t>();
  double wpa = 0;
  size_t cell = 0;
  for (size_t s = 0; s < labels.size(); ++s) {
    double distance = 0, mass = 0;
    for (int64_t k = 0; k < (words[s + 1] - words[s]) * (patches[s + 1] - patches[s]); ++k, ++cell) {
      distance += cost[cell] * plan[cell];
      mass += plan[cell];
    }
    CHECK(mass == doctest::Approx(1).epsilon(0.05));
    wpa += (labels[s] == 1 ? distance : -distance) / 4;
  }
  CHECK(item(out["wpa"].loss) == doctest::Approx(wpa).epsilon(1e-12));
}

TEST_CASE("A weight of zero switches an objective off") {
  const auto step = first_step(4);
  const TinyModel tiny(tiny_settings(), DType::f32);
  ObjectiveOptions options;
  options.mlm_weight = 0;
  Objectives out = run(tiny, step, 0, options);
  CHECK_FALSE(out["mlm"].loss.defined());
  CHECK_FALSE(out["mlm"].logits.defined());
  CHECK(out["itm"].loss.defined());
  options = {};
  options.itm_weight = options.wpa_weight = 0;
  tiny.parameters->clear_gradients();
  out = run(tiny, step, 0, options);
  CHECK_FALSE(out["itm"].loss.defined());
  CHECK_FALSE(out["wpa"].loss.defined());
  CHECK_FALSE(out.plan.defined());
  out.total.backward();
  for (const std::string& name : tiny.parameters->reached()) {
    CHECK_FALSE(name.starts_with("itm_score"));
    CHECK_FALSE(name.starts_with("vilt.pooler"));
  }
}

TEST_CASE("Nothing masked in a micro-batch: the other terms alone") {
  auto step = first_step(4);
  step[0].objectives.masked_rows = step[0].objectives.masked_labels = Tensor::from(std::vector<int64_t>{});
  const TinyModel tiny(tiny_settings(), DType::f32);
  const Objectives out = run(tiny, step, 0, {});
  CHECK_FALSE(out["mlm"].loss.defined());
  CHECK(std::isfinite(out.total.value().item<double>()));
}

TEST_CASE("A caption without words has no distance, and does no harm") {
  BatchBuilder builder(768, 6);
  Random random(1);
  PatchedImage image{2, 2, {}};
  for (int i = 0; i < 4 * 768; ++i) image.patches.push_back(static_cast<float>(random.normal()));
  builder.add_image(image);
  const std::vector<int64_t> empty{2, 3}, words{2, 7, 8, 3};
  builder.add_sequence(empty, 0);
  builder.add_sequence(words, 0);
  PretrainBatch batch;
  batch.packed = builder.finish();
  batch.objectives.masked_rows = batch.objectives.masked_labels = Tensor::from(std::vector<int64_t>{});
  batch.objectives.pair_rows = Tensor::from(std::vector<int64_t>{0, batch.packed.sequences[1].begin});
  batch.objectives.pair_labels = Tensor::from(std::vector<int64_t>{1, 1});
  fill_alignment_rows(batch.packed, 0, 2, batch.objectives);
  const TinyModel tiny(tiny_settings(), DType::f64);
  const Objectives out = run(tiny, {batch}, 0, {});
  CHECK(out.distance.value().to_vector<double>()[0] == 0);
  CHECK(out.distance.value().to_vector<double>()[1] > 0);
  out.total.backward();
  CHECK(std::isfinite(tiny.parameters->global_norm()));
}

TEST_CASE("The equation that is printed names the weights and leaves out what is off") {
  CHECK(loss_equation({}) ==
        "loss = 1 · mlm (mean over masked tokens) + 1 · itm (mean over pairs) + 0.1 · wpa ((matched - "
        "unmatched distances) / pairs)");
  ObjectiveOptions options;
  options.mlm_weight = 0;
  options.itm_weight = 0.5;
  options.wpa_weight = 0;
  CHECK(loss_equation(options) == "loss = 0.5 · itm (mean over pairs)");
}

}  // namespace tessera::objectives_test
