#include "data/sampler.h"

#include <numeric>

#include "tensor/error.h"
#include "tensor/philox.h"

namespace tessera {

Sampler::Sampler(int64_t count, const SamplerOptions& options, std::vector<int64_t> curriculum, Share share)
    : count_(count), options_(options), curriculum_(std::move(curriculum)), share_(share) {
  check(count >= 1, "sampler: ", count, " samples, expected at least 1");
  check(options.curriculum_steps == 0 || !curriculum_.empty(), "sampler: ", options.curriculum_steps,
        " steps of a curriculum without samples");
  check(share.ranks >= 1 && 0 <= share.rank && share.rank < share.ranks, "sampler: rank ", share.rank, " of ",
        share.ranks);
  check(options.batch_size % share.ranks == 0, "sampler: ", share.ranks, " ranks do not share out ", options.batch_size,
        " samples evenly");
}

int64_t Sampler::candidates(int64_t step) const {
  return in_curriculum(step) ? static_cast<int64_t>(curriculum_.size()) : count_;
}

Sampler::Order Sampler::epoch_order(bool in_curriculum, int64_t epoch) const {
  const std::lock_guard lock(mutex_);
  Order& entry = orders_[{!in_curriculum, epoch}];
  if (!entry) {
    std::vector<int64_t> order = curriculum_;
    if (!in_curriculum) {
      order.resize(static_cast<size_t>(count_));
      std::iota(order.begin(), order.end(), int64_t{0});
    }
    Random(options_.seed, kOrderStream, in_curriculum, epoch).shuffle(order);
    entry = std::make_shared<const std::vector<int64_t>>(std::move(order));
  }
  const Order result = entry;
  if (orders_.size() > 4) orders_.erase(orders_.begin());
  return result;
}

std::vector<int64_t> Sampler::samples(int64_t step) const {
  const int64_t count = candidates(step);
  const int64_t steps_before = in_curriculum(step) ? step : step - options_.curriculum_steps;
  const int64_t first = steps_before * options_.batch_size + first_slot();
  std::vector<int64_t> chosen;
  for (int64_t position = first; position < first + slots(); ++position)
    chosen.push_back((*epoch_order(in_curriculum(step), position / count))[static_cast<size_t>(position % count)]);
  return chosen;
}

std::optional<int64_t> Sampler::replacement(int64_t step, int64_t slot, const Usable& usable) const {
  const int64_t count = candidates(step);
  const auto candidate = [&](int64_t i) { return in_curriculum(step) ? curriculum_[static_cast<size_t>(i)] : i; };
  Random random(options_.seed, kReplacementStream, step, slot);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int64_t drawn = candidate(static_cast<int64_t>(random.below(static_cast<uint64_t>(count))));
    if (usable(drawn)) return drawn;
  }
  for (int64_t i = 0; i < count; ++i)
    if (usable(candidate(i))) return candidate(i);
  return std::nullopt;
}

}  // namespace tessera
