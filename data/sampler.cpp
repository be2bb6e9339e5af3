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
  check(options.window >= 0 && (options.window == 0 || (options.curriculum_steps == 0 && !options.parts.empty())),
        "sampler: a window of ", options.window, " samples needs parts with runs, and has no curriculum");
  if (options_.parts.empty()) return;
  std::vector<double> weights;
  int64_t first = 0;
  for (const SamplePart& part : options_.parts) {
    check(part.count >= 1, "sampler: a part of ", part.count, " samples, expected at least 1");
    weights.push_back(part.weight);
    firsts_.push_back(first);
    first += part.count;
  }
  check(first == count, "sampler: the parts have ", first, " samples, expected ", count);
  if (options_.window > 0) order_runs();
  if (weights.size() > 1 || options_.window == 0) mixture_.emplace(weights, options_.seed);
}

// Of each part, those that are this rank's.
void Sampler::order_runs() {
  for (size_t part = 0; part < options_.parts.size(); ++part) {
    std::vector<SampleRun> runs;
    int64_t first = firsts_[part];
    for (const int64_t count : options_.parts[part].runs) {
      if (count > 0) runs.push_back({first, count});
      first += count;
    }
    check(first == firsts_[part] + options_.parts[part].count, "sampler: the runs of part ", part, " have ",
          first - firsts_[part], " samples, expected ", options_.parts[part].count);
    check(std::ssize(runs) >= share_.ranks, "sampler: ", runs.size(), runs.size() == 1 ? " shard" : " shards", " for ",
          share_.ranks, " ranks, each of which reads its own; expected at least one for each");
    const std::vector<std::vector<SampleRun>> of_ranks = runs_of_ranks(runs, share_.ranks);
    int64_t length = INT64_MAX;
    for (const auto& of_rank : of_ranks) length = std::min(length, samples_in(of_rank));
    windowed_.push_back(std::make_unique<WindowedOrder>(of_ranks[static_cast<size_t>(share_.rank)], options_.window,
                                                        length, options_.seed, part));
  }
}

int64_t Sampler::candidates(int64_t step) const {
  return in_curriculum(step) ? static_cast<int64_t>(curriculum_.size()) : count_;
}

int64_t Sampler::position(int64_t step, int64_t slot) const {
  const int64_t steps_before = in_curriculum(step) ? step : step - options_.curriculum_steps;
  return steps_before * options_.batch_size + slot;
}

std::pair<const WindowedOrder*, int64_t> Sampler::windowed_place(int64_t step, int64_t slot) const {
  const int64_t at = step * slots() + slot - first_slot();
  if (!mixture_) return {windowed_[0].get(), at};
  const Mixture::Place place = mixture_->place(at);
  return {windowed_[place.part].get(), place.number};
}

int64_t Sampler::of_window(int64_t step, int64_t slot, Random& random) const {
  const auto [order, place] = windowed_place(step, slot);
  const auto window = order->window(place);
  return (*window)[random.below(window->size())];
}

std::optional<int64_t> Sampler::windowed_replacement(int64_t step, int64_t slot, const Usable& usable) const {
  Random random(options_.seed, kReplacementStream, step, slot);
  for (int attempt = 0; attempt < 100; ++attempt)
    if (const int64_t drawn = of_window(step, slot, random); usable(drawn)) return drawn;
  for (const auto& order : windowed_)
    for (const SampleRun& run : order->runs())
      for (int64_t sample = run.first; sample < run.first + run.count; ++sample)
        if (usable(sample)) return sample;
  return std::nullopt;
}

Sampler::Run Sampler::run_of(int64_t step, int64_t slot) const {
  const int64_t at = position(step, slot);
  if (in_curriculum(step) || !mixture_) return {0, candidates(step), 0, at};
  const Mixture::Place place = mixture_->place(at);
  return {firsts_[place.part], options_.parts[place.part].count, place.part, place.number};
}

Sampler::Order Sampler::epoch_order(bool in_curriculum, const Run& run) const {
  const int64_t epoch = run.number / run.count;
  const std::lock_guard lock(mutex_);
  auto& orders = orders_[run.part];
  Order& entry = orders[{!in_curriculum, epoch}];
  if (!entry) {
    std::vector<int64_t> order = curriculum_;
    if (!in_curriculum) {
      order.resize(static_cast<size_t>(run.count));
      std::iota(order.begin(), order.end(), run.first);
    }
    // The first part's stream is that of all samples without parts.
    if (run.part == 0)
      Random(options_.seed, kOrderStream, in_curriculum, epoch).shuffle(order);
    else
      Random(options_.seed, kOrderStream, in_curriculum, epoch, run.part).shuffle(order);
    entry = std::make_shared<const std::vector<int64_t>>(std::move(order));
  }
  const Order result = entry;
  if (orders.size() > 4) orders.erase(orders.begin());
  return result;
}

std::vector<int64_t> Sampler::samples(int64_t step) const {
  std::vector<int64_t> chosen;
  for (int64_t slot = first_slot(); slot < first_slot() + slots(); ++slot) {
    if (windowed()) {
      const auto [order, place] = windowed_place(step, slot);
      chosen.push_back(order->sample(place));
      continue;
    }
    const Run run = run_of(step, slot);
    chosen.push_back((*epoch_order(in_curriculum(step), run))[static_cast<size_t>(run.number % run.count)]);
  }
  return chosen;
}

std::optional<int64_t> Sampler::replacement(int64_t step, int64_t slot, const Usable& usable) const {
  if (windowed()) return windowed_replacement(step, slot, usable);
  const int64_t count = candidates(step);
  const auto candidate = [&](int64_t i) { return in_curriculum(step) ? curriculum_[static_cast<size_t>(i)] : i; };
  const Run run = run_of(step, slot);
  Random random(options_.seed, kReplacementStream, step, slot);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int64_t drawn = candidate(run.first + static_cast<int64_t>(random.below(static_cast<uint64_t>(run.count))));
    if (usable(drawn)) return drawn;
  }
  for (int64_t i = 0; i < count; ++i)
    if (usable(candidate(i))) return candidate(i);
  return std::nullopt;
}

}  // namespace tessera
