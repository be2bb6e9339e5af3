#include "data/tasks/cascade.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/error.h"

namespace tessera {

std::vector<int64_t> shortlist(std::span<const float> similarity, int64_t k) {
  check(k > 0, "shortlist: ", k, " candidates, expected 1 or more");
  for (size_t i = 0; i < similarity.size(); ++i)
    check(!std::isnan(similarity[i]), "shortlist: the similarity of candidate ", i, " is NaN");
  std::vector<int64_t> order(similarity.size());
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + std::min(k, static_cast<int64_t>(order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](int64_t a, int64_t b) {
    const float first = similarity[static_cast<size_t>(a)], second = similarity[static_cast<size_t>(b)];
    return first != second ? first > second : a < b;
  });
  order.erase(end, order.end());
  return order;
}

std::vector<float> cascade_scores(std::span<const float> similarity, std::span<const int64_t> chosen,
                                  std::span<const float> model_scores, CascadeScore kind) {
  check(chosen.size() == model_scores.size(), "cascade: ", model_scores.size(), " scores for ", chosen.size(),
        " candidates");
  std::vector<float> scores(similarity.size(), kNotScored);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto candidate = static_cast<size_t>(chosen[i]);
    check(chosen[i] >= 0 && candidate < scores.size(), "cascade: candidate ", chosen[i], " of ", scores.size());
    scores[candidate] = model_scores[i];
    if (kind == CascadeScore::model_and_similarity) scores[candidate] += similarity[candidate];
  }
  return scores;
}

}  // namespace tessera
