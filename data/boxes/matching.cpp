#include "data/boxes/matching.h"

#include <algorithm>

namespace tessera {
namespace {

// `count` of the candidates, or all: a Fisher-Yates shuffle that ends early.
void choose(std::vector<int64_t>& candidates, size_t count, Random& random) {
  count = std::min(count, candidates.size());
  for (size_t i = 0; i < count; ++i)
    std::swap(candidates[i], candidates[i + static_cast<size_t>(random.below(candidates.size() - i))]);
  candidates.resize(count);
  std::sort(candidates.begin(), candidates.end());
}

}  // namespace

std::vector<int64_t> matched(const Eigen::ArrayXXd& overlap, const MatchRule& rule) {
  check(rule.low <= rule.high, "matching: low is ", rule.low, ", high ", rule.high);
  std::vector<int64_t> matches(static_cast<size_t>(overlap.cols()), kBackground);
  if (overlap.rows() == 0) return matches;
  std::vector<int64_t> nearest(matches.size());
  for (Eigen::Index j = 0; j < overlap.cols(); ++j) {
    Eigen::Index best = 0;
    const double most = overlap.col(j).maxCoeff(&best);
    nearest[static_cast<size_t>(j)] = best;
    if (most >= rule.low) matches[static_cast<size_t>(j)] = most >= rule.high ? best : kBetween;
  }
  if (!rule.best_of_each) return matches;
  for (Eigen::Index i = 0; i < overlap.rows() && overlap.cols() > 0; ++i) {
    const double most = overlap.row(i).maxCoeff();
    for (Eigen::Index j = 0; j < overlap.cols() && most > 0; ++j)
      if (overlap(i, j) == most) matches[static_cast<size_t>(j)] = nearest[static_cast<size_t>(j)];
  }
  return matches;
}

BoxSample balanced_sample(std::span<const int64_t> matches, int64_t count, double fraction, Random& random) {
  check(count >= 0 && fraction >= 0 && fraction <= 1, "sampling: ", count, " boxes, a fraction of ", fraction);
  BoxSample sample;
  for (size_t i = 0; i < matches.size(); ++i) {
    if (matches[i] >= 0) sample.positive.push_back(static_cast<int64_t>(i));
    if (matches[i] == kBackground) sample.negative.push_back(static_cast<int64_t>(i));
  }
  choose(sample.positive, static_cast<size_t>(static_cast<double>(count) * fraction), random);
  choose(sample.negative, static_cast<size_t>(count) - sample.positive.size(), random);
  return sample;
}

}  // namespace tessera
