#include "models/parts/pair_draws.h"

#include <algorithm>
#include <optional>

#include "models/parts/curriculum.h"
#include "tensor/error.h"

namespace tessera {

PairDraws::PairDraws(const SampleSource& source, const PairDrawOptions& options, Quarantine& quarantine, Share share)
    : source_(source),
      options_(options),
      quarantine_(quarantine),
      sampler_(source.captions(), options, curriculum_captions(source, options, options.curriculum_group), share) {
  check(options.batch_size > 1,
        "train.batch_size is 1: a step of a single pair has nothing to tell it from, its loss is always 0; expected 2 "
        "or more");
  check(options.accumulate >= 1 && options.accumulate <= sampler_.slots(), "train.accumulate is ", options.accumulate,
        ", expected 1 to ", sampler_.slots());
}

DrawnPairs PairDraws::step(int64_t step) const {
  DrawnPairs out{{}, {source_, quarantine_, step, options_.rand_augment ? std::optional(options_.seed) : std::nullopt}};
  const auto usable = [&](int64_t caption) { return out.images.usable(source_.image_of(caption)); };
  std::vector<int64_t> captions = sampler_.samples(step);
  for (size_t i = 0; i < captions.size(); ++i) {
    if (!options_.decode || usable(captions[i])) continue;
    const std::optional<int64_t> other =
        sampler_.replacement(step, sampler_.first_slot() + static_cast<int64_t>(i), usable);
    check(other.has_value(), "data: of the images of ", sampler_.candidates(step), " captions not one can be used");
    captions[i] = *other;
  }
  const auto size = static_cast<size_t>((sampler_.slots() + options_.accumulate - 1) / options_.accumulate);
  for (size_t first = 0; first < captions.size(); first += size) {
    const auto begin = captions.begin() + static_cast<std::ptrdiff_t>(first);
    out.micro_batches.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(std::min(size, captions.size() - first)));
  }
  return out;
}

std::string captions_text(const std::vector<int64_t>& ids) {
  std::string out;
  for (const int64_t id : ids) out += (out.empty() ? "captions " : ", ") + std::to_string(id);
  return out;
}

}  // namespace tessera
