#include "data/tasks/retrieval_metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "data/tasks/cascade.h"
#include "tests/error_text.h"

namespace tessera::retrieval_metrics_test {
namespace {

using tests::error_of;
using tests::lacking;
using Matrix = std::vector<std::vector<double>>;

ScoreRow rows(const Matrix& scores) {
  return [&scores](int64_t query, std::span<double> row) {
    std::copy(scores[static_cast<size_t>(query)].begin(), scores[static_cast<size_t>(query)].end(), row.begin());
  };
}

Matrix transposed(const Matrix& scores) {
  Matrix out(scores.at(0).size());
  for (const auto& row : scores)
    for (size_t c = 0; c < row.size(); ++c) out[c].push_back(row[c]);
  return out;
}

// By sorting candidates with the rule's order among equal scores; 0 is the first.
int64_t sorted_rank(const std::vector<double>& scores, const std::vector<bool>& right, TieRule rule) {
  std::vector<size_t> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (scores[a] != scores[b]) return scores[a] > scores[b];
    if (rule == TieRule::optimistic && right[a] != right[b]) return bool{right[a]};
    if (rule == TieRule::pessimistic && right[a] != right[b]) return bool{right[b]};
    return rule == TieRule::reverse ? a > b : a < b;
  });
  for (size_t k = 0; k < order.size(); ++k)
    if (right[order[k]]) return static_cast<int64_t>(k);
  return -1;
}

DirectionMetrics sorted_metrics(const Matrix& scores, const std::vector<std::vector<bool>>& right, TieRule rule) {
  DirectionMetrics metrics;
  for (size_t q = 0; q < scores.size(); ++q) {
    const int64_t rank = sorted_rank(scores[q], right[q], rule);
    ++metrics.queries;
    metrics.without_right += rank < 0;
    for (size_t k = 0; k < 3; ++k) metrics.hits[k] += rank >= 0 && rank < kRecallAt[k];
  }
  return metrics;
}

void check_equal(const DirectionMetrics& got, const DirectionMetrics& expected) {
  CHECK(got.queries == expected.queries);
  CHECK(got.without_right == expected.without_right);
  CHECK(got.hits == expected.hits);
}

}  // namespace

TEST_CASE("Retrieval: ranks and recalls equal those of sorting, for every rule, both ways") {
  std::mt19937 random(7);
  for (int trial = 0; trial < 40; ++trial) {
    const int64_t images = 1 + static_cast<int64_t>(random() % 14), texts = 1 + static_cast<int64_t>(random() % 30);
    std::vector<int64_t> owners(static_cast<size_t>(texts));
    for (int64_t& owner : owners) owner = static_cast<int64_t>(random() % static_cast<size_t>(images));
    Matrix scores(static_cast<size_t>(images), std::vector<double>(owners.size()));
    for (auto& row : scores)
      for (double& score : row) score = static_cast<double>(random() % 5) - 2;  // many are equal
    std::vector<std::vector<bool>> right(scores.size(), std::vector<bool>(owners.size())),
        back(owners.size(), std::vector<bool>(scores.size()));
    for (size_t i = 0; i < scores.size(); ++i)
      for (size_t t = 0; t < owners.size(); ++t) back[t][i] = right[i][t] = owners[t] == static_cast<int64_t>(i);
    const Matrix of_texts = transposed(scores);
    for (const auto& standings : {retrieval_standings(images, owners, rows(scores)),
                                  retrieval_standings(images, owners, rows(scores), rows(of_texts))})
      for (const TieRule rule : {TieRule::pessimistic, TieRule::optimistic, TieRule::index, TieRule::reverse}) {
        CAPTURE(name(rule));
        const RetrievalMetrics metrics = retrieval_metrics(standings, rule);
        check_equal(metrics.text_retrieval, sorted_metrics(scores, right, rule));
        check_equal(metrics.image_retrieval, sorted_metrics(of_texts, back, rule));
      }
  }
}

TEST_CASE("Retrieval: a model whose scores are all equal has no recall by default, and chance's on average") {
  const Matrix scores(12, std::vector<double>(12, 0.25));
  std::vector<int64_t> owners;
  for (int64_t i = 0; i < 12; ++i) owners.push_back(i);
  const RetrievalStandings standings = retrieval_standings(12, owners, rows(scores));
  CHECK(retrieval_metrics(standings).text_retrieval.hits == std::array<double, 3>{0, 0, 0});
  CHECK(retrieval_metrics(standings).image_retrieval.median_rank == 12);
  CHECK(retrieval_metrics(standings, TieRule::optimistic).image_retrieval.recall(0) == 1);
  const DirectionMetrics expected = retrieval_metrics(standings, TieRule::expected).text_retrieval;
  for (size_t k = 0; k < 3; ++k) CHECK(expected.recall(k) == doctest::Approx(static_cast<double>(kRecallAt[k]) / 12));
  CHECK_FALSE(expected.median_rank.has_value());
  CHECK_FALSE(expected.mean_rank.has_value());
}

TEST_CASE("Retrieval: the expectation over orders of equal scores") {
  // Two candidates are better, five are equal, of which two are right.
  const std::vector<Standing> one = {{.greater = 2, .tied = 5, .tied_right = 2, .before = 0, .behind = 0}};
  const DirectionMetrics metrics = direction_metrics(one, TieRule::expected);
  CHECK(metrics.hits[0] == 0);
  CHECK(metrics.hits[1] == doctest::Approx(1 - 3. / 5 * 2 / 4 * 1 / 3));  // three of the five are among the first five
  CHECK(metrics.hits[2] == 1);
}

TEST_CASE("Retrieval: median and mean rank, and queries without a right candidate") {
  const auto ranked = [](std::initializer_list<int64_t> ranks) {
    std::vector<Standing> standings;
    for (const int64_t rank : ranks)
      standings.push_back(rank < 0 ? Standing{} : Standing{.greater = rank, .tied = 1, .tied_right = 1});
    return direction_metrics(standings);
  };
  CHECK(ranked({4, 0, 9}).median_rank == 5);
  CHECK(ranked({4, 0, 9, 1}).median_rank == 3);  // of ranks from 0 on the mean 2.5 is rounded down
  CHECK(ranked({4, 0, 9, 1}).mean_rank == doctest::Approx(4.5));
  CHECK(ranked({-1, 4, -1}).median_rank == 5);
  CHECK(ranked({-1, 4, -1}).without_right == 2);
  CHECK(ranked({-1, 4, -1}).recall(1) == doctest::Approx(1. / 3));
  CHECK_FALSE(ranked({-1}).median_rank.has_value());
  CHECK(ranked({}).recall(0) == 0);
}

TEST_CASE("Retrieval: infinite scores are scores; NaN and texts without a picture are errors") {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<int64_t> owners = {0, 1};
  const RetrievalMetrics metrics =
      retrieval_metrics(retrieval_standings(2, owners, rows({{-infinity, 0}, {3, infinity}})));
  CHECK(metrics.text_retrieval.hits[0] == 1);
  CHECK(metrics.image_retrieval.hits[0] == 1);
  CHECK(lacking(error_of([&] {
                  retrieval_standings(2, owners, rows({{1, 2}, {3, NAN}}));
                }),
                {"image 1 and text 1 is NaN"}) == "");
  CHECK(lacking(error_of([&] {
                  retrieval_standings(2, owners, rows({{1, 2}, {3, 4}}), rows({{1, 3}, {NAN, 4}}));
                }),
                {"image 0 and text 1 is NaN"}) == "");
  const std::vector<int64_t> outside = {0, 2};
  CHECK(lacking(error_of([&] {
                  retrieval_standings(2, outside, rows({{1, 2}, {3, 4}}));
                }),
                {"text 1 belongs to image 2", "0 to 1"}) == "");
}

TEST_CASE("Retrieval: folds are neighbouring pictures with their own texts, and their recalls are averaged") {
  // Texts are not in the order of the pictures; a picture of the other fold would be better everywhere.
  const std::vector<int64_t> owners = {2, 0, 3, 1, 0};
  const Matrix scores = {{9, 1, 9, 5, 0}, {9, 6, 9, 7, 8}, {3, 9, 2, 9, 9}, {1, 9, 4, 9, 9}};
  const auto folds = fold_standings(4, owners, rows(scores), 2);
  REQUIRE(folds.size() == 2);
  std::vector<RetrievalMetrics> metrics;
  for (const RetrievalStandings& fold : folds) metrics.push_back(retrieval_metrics(fold));
  // Picture 0 has text 3 (a wrong one) first; picture 1 has text 4 (wrong) before its text 3.
  CHECK(metrics[0].text_retrieval.hits[0] == 0);
  CHECK(metrics[0].image_retrieval.queries == 3);
  CHECK(metrics[0].image_retrieval.hits[0] == 1);
  CHECK(metrics[1].text_retrieval.hits[0] == 2);
  CHECK(metrics[1].image_retrieval.hits[0] == 2);
  const MeanRecalls means = mean_recalls(metrics);
  CHECK(means.text_retrieval[0] == doctest::Approx(0.5));
  CHECK(means.image_retrieval[0] == doctest::Approx((1. / 3 + 1) / 2));
  const auto left_over = fold_standings(4, owners, rows(scores), 3);
  REQUIRE(left_over.size() == 3);
  CHECK(left_over[0].image_retrieval.size() == 2);  // of one picture each, and the last is in none
  CHECK(lacking(error_of([&] { fold_standings(4, owners, rows(scores), 5); }), {"4 images in 5 folds"}) == "");
}

TEST_CASE("Cascade: the most similar candidates alone are scored") {
  const std::vector<float> similarity = {0.1f, 0.5f, 0.5f, -1, 0.9f};
  CHECK(shortlist(similarity, 3) == std::vector<int64_t>{4, 1, 2});
  CHECK(shortlist(similarity, 2) == std::vector<int64_t>{4, 1});
  CHECK(shortlist(similarity, 9).size() == 5);
  const std::vector<int64_t> chosen = {4, 1};
  const std::vector<float> scores = {2, 3};
  CHECK(cascade_scores(similarity, chosen, scores, CascadeScore::model) ==
        std::vector<float>{kNotScored, 3, kNotScored, kNotScored, 2});
  CHECK(cascade_scores(similarity, chosen, scores, CascadeScore::model_and_similarity)[1] == 3.5f);
  const std::vector<float> nan = {0, NAN};
  CHECK(lacking(error_of([&] { shortlist(nan, 1); }), {"candidate 1 is NaN"}) == "");
  CHECK_THROWS_AS(shortlist(similarity, 0), Error);
  CHECK_THROWS_AS(cascade_scores(similarity, chosen, {}, CascadeScore::model), Error);
  const std::vector<int64_t> outside = {5, 1};
  CHECK_THROWS_AS(cascade_scores(similarity, outside, scores, CascadeScore::model), Error);
}

}  // namespace tessera::retrieval_metrics_test
