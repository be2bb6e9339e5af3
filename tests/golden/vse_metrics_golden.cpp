// vse_metrics: ranks, recalls, median and mean ranks as VSE++'s evaluation has them, five captions for each picture:
// under both orders of equal scores (by a stable sort the higher index comes first, `late`), and over folds.
#include <string>
#include <vector>

#include "data/tasks/retrieval_metrics.h"
#include "io/safetensors.h"
#include "tests/golden/compare.h"

namespace tessera::golden {
namespace {

constexpr int64_t kCaptions = 5;  // of a picture

std::vector<int64_t> picture_of_caption(const Tensor& similarity) {
  std::vector<int64_t> owners;
  for (int64_t j = 0; j < similarity.size(1); ++j) owners.push_back(j / kCaptions);
  return owners;
}

ScoreRow rows_of_similarity(const Tensor& similarity) {
  return [values = similarity.to(DType::f64).contiguous()](int64_t query, std::span<double> row) {
    std::copy_n(values.data<double>() + query * values.size(1), row.size(), row.begin());
  };
}

std::vector<double> five_numbers(const DirectionMetrics& metrics) {
  std::vector<double> numbers;
  for (size_t k = 0; k < 3; ++k) numbers.push_back(100 * metrics.recall(k));
  numbers.push_back(static_cast<double>(metrics.median_rank.value()));
  numbers.push_back(metrics.mean_rank.value());
  return numbers;
}

std::vector<int64_t> ranks_from_zero(std::span<const Standing> standings, TieRule rule) {
  std::vector<int64_t> ranks;
  for (size_t i = 0; i < standings.size(); ++i)
    ranks.push_back(direction_metrics(standings.subspan(i, 1), rule).median_rank.value() - 1);
  return ranks;
}

void compare_rankings(const SafeTensors& file, const std::string& name, Comparison& comparison) {
  const Tensor& similarity = file.at(name + ".similarity");
  const RetrievalStandings standings =
      retrieval_standings(similarity.size(0), picture_of_caption(similarity), rows_of_similarity(similarity));
  for (const auto& [rule, order] : {std::pair{TieRule::reverse, ".late"}, std::pair{TieRule::index, ".early"}})
    for (const auto& [side, direction] :
         {std::pair{&standings.text_retrieval, ".i2t."}, std::pair{&standings.image_retrieval, ".t2i."}}) {
      const std::string place = name + order + direction;
      comparison.compare(place + "ranks", Tensor::from(ranks_from_zero(*side, rule)), file.at(place + "ranks"));
      comparison.compare(place + "metrics", Tensor::from(five_numbers(direction_metrics(*side, rule))),
                         file.at(place + "metrics"));
    }
}

void compare_folds(const SafeTensors& file, Comparison& comparison) {
  const Tensor &similarity = file.at("folds.similarity"), &expected = file.at("folds.metrics");
  std::vector<double> all, mean(10, 0.0);
  const int64_t count = expected.size(0);
  for (const RetrievalStandings& fold :
       fold_standings(similarity.size(0), picture_of_caption(similarity), rows_of_similarity(similarity), count)) {
    const RetrievalMetrics metrics = retrieval_metrics(fold, TieRule::reverse);
    std::vector<double> numbers = five_numbers(metrics.text_retrieval);
    for (const double value : five_numbers(metrics.image_retrieval)) numbers.push_back(value);
    for (size_t i = 0; i < numbers.size(); ++i) mean[i] += numbers[i] / static_cast<double>(count);
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  comparison.compare("folds.metrics", Tensor::from(all, {count, 10}), expected);
  comparison.compare("folds.mean", Tensor::from(mean), file.at("folds.mean"));
  const double sum = mean[0] + mean[1] + mean[2] + mean[5] + mean[6] + mean[7];
  comparison.compare("folds.rsum", Tensor::scalar(sum, DType::f64), file.at("folds.rsum"));
}

}  // namespace

Outcome run_vse_metrics(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  for (const auto& item : file.tensors)
    if (const std::string ending = ".late.i2t.ranks"; item.first.ends_with(ending))
      compare_rankings(file, item.first.substr(0, item.first.size() - ending.size()), comparison);
  compare_folds(file, comparison);
  return comparison.outcome();
}

}  // namespace tessera::golden
