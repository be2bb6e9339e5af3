#include "vilt/ranking/ranking.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tensor/parallel.h"
#include "tests/vilt/tiny_model.h"
#include "vilt/ask/questions.h"
#include "vilt/ranking/distinct_texts.h"

namespace tessera::ranking_test {
namespace {

// Values are drawn, so that every part of the model matters.
struct Checkpoint {
  std::unique_ptr<ViltWithHeads> model;
  std::unique_ptr<ParameterSet> parameters;

  explicit Checkpoint(int64_t layers, DType dtype = DType::f32, const Heads& heads = {.rank = true}) {
    ModelConfig config = tests::tiny_settings().model;
    config.heads = heads;
    config.num_hidden_layers = layers;
    model = std::make_unique<ViltWithHeads>(config);
    Random random(3, 1);
    model->visit("", [&](const std::string&, Variable& parameter) {
      Tensor values = parameter.value();
      for (int64_t i = 0; i < values.numel(); ++i)
        values.mutable_data<float>()[i] = static_cast<float>(random.uniform() - 0.5);
    });
    parameters = std::make_unique<ParameterSet>(*model, dtype);
  }
};

std::shared_ptr<const PatchedImage> picture(int64_t number) {
  const int rows = 1 + static_cast<int>(number % 3), columns = 1 + static_cast<int>(number * 7 % 5);
  PatchedImage image{rows, columns, {}};
  Random random(static_cast<uint64_t>(number), 2);
  for (int64_t i = 0; i < int64_t{rows} * columns * 3 * 16 * 16; ++i)
    image.patches.push_back(static_cast<float>(2 * random.uniform() - 1));
  return std::make_shared<const PatchedImage>(std::move(image));
}

// Texts of 0 to 12 words.
std::vector<int64_t> words(int64_t number) {
  std::vector<int64_t> ids{2};
  for (int64_t i = 0; i < number * 5 % 13; ++i) ids.push_back(5 + (number + 3 * i) % 50);
  ids.push_back(3);
  return ids;
}

RankingTask task_of(int64_t pictures, int64_t texts) {
  RankingTask task;
  task.pictures = pictures;
  task.picture = picture;
  for (int64_t t = 0; t < texts; ++t) task.texts.push_back(words(t));
  return task;
}

using Matrix = std::map<std::pair<int64_t, int64_t>, double>;

Matrix ranked(const Checkpoint& checkpoint, const RankingTask& task, const RankingOptions& options = {},
              const ForwardContext& context = {}) {
  Matrix out;
  const auto scored = [&](std::span<const Pair> pairs, std::span<const double> scores) {
    for (size_t i = 0; i < pairs.size(); ++i)
      CHECK(out.emplace(std::pair(pairs[i].picture, pairs[i].text), scores[i]).second);
  };
  rank_pairs(PairScorer(*checkpoint.model, context), task, scored, options);
  return out;
}

// The scores as each pair gives them alone, by the whole model.
double largest_difference(const Checkpoint& checkpoint, const RankingTask& task, const Matrix& scores,
                          const ForwardContext& context = {}) {
  double difference = 0, largest = 0;
  for (const auto& [pair, score] : scores) {
    const Question question{task.texts[static_cast<size_t>(pair.second)], {picture(pair.first)}};
    const double alone = rank_scores(*checkpoint.model, {&question, 1}, context)[0];
    difference = std::max(difference, std::abs(score - alone));
    largest = std::max(largest, std::abs(alone));
  }
  return difference / largest;
}

}  // namespace

// Sums have the same terms in another order at most. A score goes through at most ten roundings a layer
// (nn/precision.h), each of some terms' sum: 1e-5 in f32 has a tenfold margin over 2e-7 · √(10 layers). rank_scores
// tells its scores in f32, so that f64 shows 6e-8 of them.
TEST_CASE("Ranking: the scores are those of every pair alone") {
  for (const int64_t layers : {1, 2, 3, 5}) {
    CAPTURE(layers);
    const RankingTask task = task_of(5, 17);
    const Checkpoint plain(layers), exact(layers, DType::f64);
    const Matrix scores = ranked(plain, task);
    CHECK(scores.size() == 85);
    CHECK(largest_difference(plain, task, scores) < 1e-5);
    CHECK(largest_difference(exact, task, ranked(exact, task)) < 1e-7);
    // 1.7e-3 · √(10 layers) of typical values, of which the largest of 85 errors is some 3.
    const ForwardContext bf16{.activations = DType::bf16};
    CHECK(largest_difference(plain, task, ranked(plain, task, {}, bf16), bf16) < 0.05);
    // The comparison can fail.
    Matrix wrong = scores;
    std::swap(wrong.at({0, 1}), wrong.at({0, 2}));
    CHECK(largest_difference(plain, task, wrong) > 1e-3);
  }
}

TEST_CASE("Ranking: without rank_output by the logit of a match; without either head not at all") {
  const Checkpoint matching(2, DType::f32, {.matching = true}), neither(2, DType::f32, {.masked_words = true});
  const RankingTask task = task_of(3, 4);
  CHECK(largest_difference(matching, task, ranked(matching, task)) < 1e-5);
  CHECK_THROWS_WITH_AS(
      PairScorer(*neither.model, {}),
      "ranking: the model has neither a head for retrieval (rank_output) nor one for matching (itm_score)", Error);
}

TEST_CASE("Ranking: any number of threads, and any work that was done before, gives the same bits") {
  const Checkpoint checkpoint(3);
  const RankingTask task = task_of(70, 30);  // two blocks of pictures
  const Matrix whole = ranked(checkpoint, task);
  CHECK(whole.size() == 2100);
  const int threads = thread_count();
  for (const int count : {1, 2, 5}) {
    set_thread_count(count);
    CHECK(ranked(checkpoint, task) == whole);
  }
  set_thread_count(threads);
  // Whatever was scored: pictures that are done, rows that end anywhere, single pairs.
  RankingOptions options;
  options.known = [&](int64_t i) {
    std::vector<float> row(30, NAN);
    Random random(7, static_cast<uint64_t>(i));
    for (int64_t t = 0; t < 30; ++t)
      if (i < 66 && (i < 20 || (i < 30 && t < 11) || random.uniform() < 0.3)) row[static_cast<size_t>(t)] = 1;
    return row;
  };
  RankingProgress first{-1, 0, {}}, last;
  options.progress = [&](const RankingProgress& progress) {
    if (first.done < 0) first = progress;
    last = progress;
  };
  const Matrix rest = ranked(checkpoint, task, options);
  CHECK(rest.size() > 100);
  CHECK(rest.size() < 2000);
  for (const auto& [pair, score] : rest) CHECK(score == whole.at(pair));
  CHECK(first.done >= 20 * 30);
  CHECK(last.done == 2100);
  CHECK(last.of == 2100);
  for (const int64_t i : {66, 69}) CHECK(rest.contains({i, 0}));
}

TEST_CASE("Ranking: only what was chosen is scored, and it stops when it is told to") {
  const Checkpoint checkpoint(2);
  RankingTask task = task_of(4, 9);
  const Matrix whole = ranked(checkpoint, task);
  task.chosen = {{0, 8}, {}, {3}, {1, 2, 5}};
  CHECK(task.pairs() == 6);
  const Matrix some = ranked(checkpoint, task);
  CHECK(some.size() == 6);
  for (const auto& [pair, score] : some) {
    CHECK(std::ranges::count(task.chosen[static_cast<size_t>(pair.first)], pair.second) == 1);
    CHECK(std::abs(score - whole.at(pair)) < 1e-4);
  }
  task.chosen.pop_back();
  CHECK_THROWS_WITH_AS(ranked(checkpoint, task), "ranking: texts are chosen for 3 of 4 pictures", Error);
  RankingOptions options;
  options.stop = [] { return true; };
  const RankingTask large = task_of(70, 30);
  int64_t pairs = 0;
  CHECK(!rank_pairs(
      PairScorer(*checkpoint.model, {}), large, [&](auto batch, auto) { pairs += static_cast<int64_t>(batch.size()); },
      options));
  CHECK(pairs > 0);
  CHECK(pairs < large.pairs());
}

TEST_CASE("Ranking: texts that are equal are scored once") {
  std::vector<std::vector<int64_t>> ids = {{2, 7, 3}, {2, 3}, {2, 7, 3}, {2, 9, 3}, {2, 3}};
  const DistinctTexts distinct(ids);
  CHECK(ids == std::vector<std::vector<int64_t>>{{2, 7, 3}, {2, 3}, {2, 9, 3}});
  CHECK(distinct.distinct(std::vector<int64_t>{4, 0, 2}) == std::vector<int64_t>{0, 1});
  const std::vector<float> row = distinct.distinct(std::vector<float>{1, NAN, 1, 4, 5});
  CHECK(row[0] == 1);
  CHECK(std::isnan(row[1]));
  CHECK(row[2] == 4);
  std::vector<int64_t> texts;
  const std::vector<Pair> pairs{{6, 1}, {6, 2}};
  const std::vector<double> scores{10, 20};
  distinct.put(pairs, scores, [&](std::span<const Pair> all, std::span<const double> values) {
    for (size_t i = 0; i < all.size(); ++i) {
      texts.push_back(all[i].text);
      CHECK(all[i].picture == 6);
      CHECK(values[i] == (all[i].text == 3 ? 20 : 10));
    }
  });
  CHECK(texts == std::vector<int64_t>{1, 4, 3});
}

}  // namespace tessera::ranking_test
