// Ranking in two stages (ALBEF, BLIP): a cheap similarity names the best candidates of a query, and only these are
// scored by the expensive model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

// The score of what the model has not seen, as published; beyond the shortlist everything ties.
inline constexpr float kNotScored = -100;

// The indices of the k highest similarities, best first, of equal ones the lower index first; all, if there are fewer.
// NaN is an error.
std::vector<int64_t> shortlist(std::span<const float> similarity, int64_t k);

enum class CascadeScore : uint8_t {
  model,                 // ALBEF: the model's score
  model_and_similarity,  // BLIP: the similarity is added to it
};
// One query's scores with all candidates; `model_scores` are those of the `chosen` alone, in their order.
std::vector<float> cascade_scores(std::span<const float> similarity, std::span<const int64_t> chosen,
                                  std::span<const float> model_scores, CascadeScore kind);

}  // namespace tessera
