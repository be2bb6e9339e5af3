// Losses over all samples of a step: cut into micro-batches and dealt out to ranks they have the gradients of one
// batch.
#include "train/whole_step_loss.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "autograd/functions.h"
#include "tests/error_text.h"
#include "tests/train/toy_run.h"

namespace tessera::whole_step_loss_test {
namespace {

using tests::error_of;
using tests::lacking;

enum class Kind : uint8_t { contrastive, all_negatives, hardest_negative };

Variable loss_of(Kind kind, const WholeStepLoss::Features& all, std::span<const Variable> scale) {
  if (kind == Kind::contrastive) return contrastive_loss(all[0], all[1], scale[0]);
  const Variable similarity = matmul(all[0], transpose(all[1], 0, 1));
  return ranking_hinge_loss(similarity, 0.2,
                            kind == Kind::all_negatives ? ops::Negatives::all : ops::Negatives::hardest);
}

Variable drawn(const Shape& shape, uint64_t stream, bool trained) {
  std::vector<double> values;
  Random random(11, stream);
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back(random.normal());
  return Variable(Tensor::from(values, shape), trained);
}

// Two linear towers on seven pairs.
struct Towers {
  static constexpr int64_t kPairs = 7;
  Variable pictures = drawn({kPairs, 5}, 1, false), texts = drawn({kPairs, 4}, 2, false);
  Variable of_pictures = drawn({3, 5}, 3, true), of_texts = drawn({3, 4}, 4, true);
  Variable scale[1] = {Variable(Tensor::scalar(1.3, DType::f64), true)};

  WholeStepLoss::Features features(int64_t first, int64_t count) const {
    return {l2_normalise(linear(narrow(pictures, 0, first, count), of_pictures, {})),
            l2_normalise(linear(narrow(texts, 0, first, count), of_texts, {}))};
  }
  std::vector<double> gradients() const {
    std::vector<double> out;
    for (const Variable* each : {&of_pictures, &of_texts, &scale[0]}) {
      const Tensor gradient = each->grad_is_empty() ? Tensor::zeros_like(each->value()) : each->grad();
      for (const double value : gradient.to_vector<double>()) out.push_back(value);
    }
    return out;
  }
};

struct Result {
  double loss = 0;
  std::vector<double> gradients;
};

Result in_one_batch(Kind kind) {
  const Towers towers;
  const Variable loss = loss_of(kind, towers.features(0, Towers::kPairs), towers.scale);
  loss.backward();
  return {loss.value().item<double>(), towers.gradients()};
}

// cut[r]: the sizes of rank r's micro-batches. `local`: the planted error, each micro-batch's own loss.
Result in_pieces(Kind kind, const std::vector<std::vector<int64_t>>& cut, bool local = false) {
  std::vector<Result> of_ranks(cut.size());
  run_ranks(static_cast<int>(cut.size()), [&](Communicator& ranks) {
    const auto rank = static_cast<size_t>(ranks.rank());
    std::vector<std::pair<int64_t, int64_t>> pieces;
    int64_t first = 0;
    for (size_t r = 0; r < cut.size(); ++r)
      for (const int64_t count : cut[r]) {
        if (r == rank) pieces.emplace_back(first, count);
        first += count;
      }
    const Towers towers;
    WholeStepLoss whole([kind](const auto& all, auto scale) { return loss_of(kind, all, scale); });
    whole.begin(pieces.size(), towers.scale, ranks,
                [&](size_t number) { return towers.features(pieces[number].first, pieces[number].second); });
    Result& out = of_ranks[rank];
    for (const auto& [from, count] : pieces) {
      const auto features = towers.features(from, count);
      Variable loss = local ? loss_of(kind, features, towers.scale) : whole.next(features, towers.scale);
      if (local && kind == Kind::contrastive)
        loss = loss * (static_cast<double>(count) / static_cast<double>(Towers::kPairs));
      out.loss += loss.value().item<double>();
      loss.backward();
    }
    out.gradients = towers.gradients();
  });
  Result sum{0, std::vector<double>(of_ranks[0].gradients.size(), 0)};
  for (const Result& each : of_ranks) {
    sum.loss += each.loss;
    for (size_t i = 0; i < sum.gradients.size(); ++i) sum.gradients[i] += each.gradients[i];
  }
  return sum;
}

// The largest difference of any two gradients, in units of the largest gradient.
double difference(const Result& a, const Result& b) {
  double largest = 0, apart = 0;
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    largest = std::max(largest, std::abs(a.gradients[i]));
    apart = std::max(apart, std::abs(a.gradients[i] - b.gradients[i]));
  }
  return apart / largest;
}

// Bounds: a gradient is a sum of at most 7 · 7 · 3 products, and pieces add them in another order, so they differ by at
// most 147 roundings of 1.1e-16 of terms that are not above the largest gradient by more than e^1.3 times some tens:
// less than 1e-12 of it. A loss of fewer negatives is another one by some tenths.
constexpr double kBound = 1e-12;

}  // namespace

TEST_CASE("whole step loss: micro-batches and ranks are invisible") {
  for (const Kind kind : {Kind::contrastive, Kind::all_negatives, Kind::hardest_negative}) {
    CAPTURE(static_cast<int>(kind));
    const Result whole = in_one_batch(kind);
    CHECK(whole.loss > 0.1);
    using Cut = std::vector<std::vector<int64_t>>;
    for (const Cut& cut : {Cut{{7}}, Cut{{3, 4}}, Cut{{1, 1, 1, 1, 1, 1, 1}}, Cut{{4}, {3}}, Cut{{2, 1}, {1, 3}},
                           Cut{{1}, {1}, {2, 2, 1}}}) {
      CAPTURE(cut.size());
      CAPTURE(cut[0].size());
      const Result pieces = in_pieces(kind, cut);
      CHECK(pieces.loss == doctest::Approx(whole.loss).epsilon(kBound));
      CHECK(difference(whole, pieces) < kBound);
    }
    CHECK(difference(whole, in_pieces(kind, {{3, 4}}, true)) > 1e-2);
    CHECK(difference(whole, in_pieces(kind, {{4}, {3}}, true)) > 1e-2);
  }
}

TEST_CASE("whole step loss: one micro-batch on one rank is computed once, and a step cannot have more than it began") {
  const Towers towers;
  int64_t asked = 0;
  WholeStepLoss whole([](const auto& all, auto scale) { return loss_of(Kind::contrastive, all, scale); });
  const auto features = [&](size_t) {
    ++asked;
    return towers.features(0, 2);
  };
  whole.begin(1, towers.scale, single_rank(), features);
  CHECK(asked == 0);
  whole.begin(2, towers.scale, single_rank(), features);
  CHECK(asked == 2);
  const double first = whole.next(towers.features(0, 2), towers.scale).value().item<double>();
  CHECK(first > 0);
  CHECK(whole.next(towers.features(0, 2), towers.scale).value().item<double>() == 0);
  CHECK(lacking(error_of([&] { whole.next(towers.features(0, 2), towers.scale); }),
                {"more micro-batches or rows than the step began with"}) == "");
  CHECK(lacking(error_of([&] { whole.begin(0, towers.scale, single_rank(), features); }), {"no micro-batch"}) == "");
}

namespace {

// The learner's side: what is called when, and that both passes draw the same dropout.
struct Called : tests::ToyTask {
  std::vector<std::string> calls;
  std::vector<std::vector<float>> first, second;

  std::vector<float> draw(const Batch& batch, TicketSource& tickets) const {
    return dropout(Variable(Tensor::full(batch.points.shape(), 1)), 0.5, tickets.next()).value().to_vector<float>();
  }
  void begin_step(std::span<const Batch> step, Communicator&, TicketSource tickets) {
    calls.push_back("begin " + std::to_string(step.size()));
    for (const Batch& batch : step) first.push_back(draw(batch, tickets));
  }
  Losses losses(const Batch& batch, std::span<const int64_t> counts, TicketSource& tickets) {
    calls.push_back("losses");
    second.push_back(draw(batch, tickets));
    TicketSource others(1, 1);
    return ToyTask::losses(batch, counts, others);
  }
  void after_update() { calls.push_back("after " + std::to_string(parameters().slots().size() > 0)); }
};
static_assert(BeginsSteps<Called> && EndsUpdates<Called> && !BeginsSteps<tests::ToyTask>);

}  // namespace

TEST_CASE("learner: begin_step before the losses of a step, after_update behind its update") {
  Called task;
  Learner<Called> learner(task, tests::ToyRun{}.learner_options());
  learner.update(task.step(0));
  CHECK(task.calls == std::vector<std::string>{"begin 2", "losses", "losses", "after 1"});
  REQUIRE(task.first.size() == 2);
  CHECK(task.first == task.second);
  CHECK(task.first[0] != task.first[1]);
}

}  // namespace tessera::whole_step_loss_test
