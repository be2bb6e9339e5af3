// Which of several data sets a position of the training takes its sample from, by weight.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace tessera {

// Positions come in blocks of kBlock. Of each block a part has the share that its weight is of the sum, rounded, but at
// least one position; which they are is drawn for each block anew. So a part of the mixture is exact over any long
// run, and where a position lies in its part is a function of the seed and its number. Thread-safe.
class Mixture {
 public:
  static constexpr int64_t kBlock = 4096;

  struct Place {
    size_t part;
    int64_t number;  // how many positions before this one are the part's
  };

  // Weights are more than 0 and finite.
  Mixture(const std::vector<double>& weights, uint64_t seed);

  Place place(int64_t position) const;
  // Positions of each block, by part.
  const std::vector<int64_t>& shares() const { return shares_; }

 private:
  using Block = std::vector<Place>;  // numbers count from the block's beginning
  std::shared_ptr<const Block> block(int64_t index) const;

  std::vector<int64_t> shares_;
  uint64_t seed_;
  mutable std::mutex mutex_;
  mutable std::map<int64_t, std::shared_ptr<const Block>> blocks_;  // the latest
};

}  // namespace tessera
