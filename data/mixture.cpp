#include "data/mixture.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/sampler.h"
#include "tensor/error.h"
#include "tensor/philox.h"

namespace tessera {

Mixture::Mixture(const std::vector<double>& weights, uint64_t seed) : seed_(seed) {
  const auto parts = static_cast<int64_t>(weights.size());
  check(parts >= 1 && parts <= kBlock / 2, "mixture: ", parts, " parts, expected 1 to ", kBlock / 2);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> exact;
  for (const double weight : weights) {
    check(weight > 0 && std::isfinite(sum), "mixture: a weight is ", weight, ", expected more than 0");
    exact.push_back(weight / sum * static_cast<double>(kBlock));
    shares_.push_back(std::max<int64_t>(1, std::llround(exact.back())));
  }
  // What rounding leaves goes to, or comes from, the part that is furthest from its exact share.
  for (int64_t left = kBlock - std::accumulate(shares_.begin(), shares_.end(), int64_t{0}); left != 0;) {
    const int64_t change = left > 0 ? 1 : -1;
    size_t furthest = 0;
    double most = -INFINITY;
    for (size_t i = 0; i < exact.size(); ++i) {
      const double lacking = static_cast<double>(change) * (exact[i] - static_cast<double>(shares_[i]));
      if (lacking > most && shares_[i] + change >= 1) {
        most = lacking;
        furthest = i;
      }
    }
    shares_[furthest] += change;
    left -= change;
  }
}

std::shared_ptr<const Mixture::Block> Mixture::block(int64_t index) const {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const Block>& entry = blocks_[index];
  if (!entry) {
    std::vector<size_t> parts;
    for (size_t part = 0; part < shares_.size(); ++part)
      parts.insert(parts.end(), static_cast<size_t>(shares_[part]), part);
    Random(seed_, kMixtureStream, index).shuffle(parts);
    std::vector<int64_t> numbers(shares_.size());
    Block made;
    for (const size_t part : parts) made.push_back({part, numbers[part]++});
    entry = std::make_shared<const Block>(std::move(made));
  }
  const std::shared_ptr<const Block> result = entry;
  if (blocks_.size() > 4) blocks_.erase(blocks_.begin());
  return result;
}

Mixture::Place Mixture::place(int64_t position) const {
  const int64_t index = position / kBlock;
  const Place within = (*block(index))[static_cast<size_t>(position % kBlock)];
  return {within.part, index * shares_[within.part] + within.number};
}

}  // namespace tessera
