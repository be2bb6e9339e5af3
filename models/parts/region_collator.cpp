#include "models/parts/region_collator.h"

#include <map>
#include <optional>

#include "models/parts/curriculum.h"

namespace tessera {
namespace {

// Streams of random numbers beside those of sampling.
enum RegionPurpose : uint64_t { kRegionWords = 2, kRegionMatch, kRegionFalsePicture, kRegionMask = 8 };

}  // namespace

// The regions of the pictures of one step, each read once.
class RegionCollator::StepRegions {
 public:
  explicit StepRegions(const RegionCollator& collator) : collator_(collator) {}

  bool usable(int64_t image) {
    if (ready_.contains(image)) return true;
    if (collator_.quarantine_.contains(image)) return false;
    try {
      ready_.emplace(image, collator_.regions(collator_.source_, image));
      return true;
    } catch (const Error& error) {
      collator_.quarantine_.add(image, error.what());
      return false;
    }
  }
  // Of a picture that usable() has said yes to.
  const ReadableRegions& operator[](int64_t image) const { return ready_.at(image); }

 private:
  const RegionCollator& collator_;
  std::map<int64_t, ReadableRegions> ready_;
};

RegionCollator::RegionCollator(const SampleSource& source, RegionLookup lookup, int64_t channels, int64_t classes,
                               const RegionCollatorOptions& options, Quarantine& quarantine, Share share)
    : source_(source),
      lookup_(std::move(lookup)),
      channels_(channels),
      classes_(classes),
      options_(options),
      quarantine_(quarantine),
      sampler_(source.captions(), options, curriculum_captions(source, options, options.curriculum_group), share) {
  check(options.accumulate >= 1 && sampler_.slots() % options.accumulate == 0, "regions: a step of ", sampler_.slots(),
        " pairs is not to be cut into ", options.accumulate, " micro-batches");
  const std::pair<const char*, double> shares[] = {{"the share of masked words", options.masking.word_rate},
                                                   {"the share of masked regions", options.masking.region_rate},
                                                   {"the share of masked regions shown", options.masking.region_shown},
                                                   {"the share of false pictures", options.false_share},
                                                   {"the share of siblings", options.sibling_negatives}};
  for (const auto& [name, value] : shares)
    check(value >= 0 && value <= 1, "regions: ", name, " is ", value, ", expected 0 to 1");
  if (options.masking.content_first > 0) source.require(AnnotationField::content_words, "objectives.content_first");
  if (options.sibling_negatives > 0) source.require(AnnotationField::sibling, "objectives.sibling_negatives");
}

ReadableRegions RegionCollator::regions(const SampleSource& source, int64_t image) const {
  const DatasetImage& picture = source.dataset().images().at(static_cast<size_t>(image));
  return readable_regions(lookup_(picture), channels_, classes_, std::string(picture.file));
}

std::string RegionCollator::remarks() const { return text("; ", quarantine_.count(), " pictures left out"); }

// The caption itself or, if its picture's regions cannot be used, its replacement.
int64_t RegionCollator::usable_caption(int64_t caption, int64_t step, int64_t slot, StepRegions& regions) const {
  const auto usable = [&](int64_t candidate) { return regions.usable(source_.image_of(candidate)); };
  if (usable(caption)) return caption;
  const std::optional<int64_t> other = sampler_.replacement(step, slot, usable);
  check(other.has_value(), "data: of the pictures of ", sampler_.candidates(step), " captions not one can be used");
  return *other;
}

// A data set of one picture has no false one: the pair stays true.
void RegionCollator::choose_picture(RegionPair& pair, int64_t step, int64_t slot, StepRegions& regions) const {
  Random match(options_.seed, kRegionMatch, step, slot);
  if (match.uniform() >= options_.false_share) return;
  Random random(options_.seed, kRegionFalsePicture, step, slot);
  const auto take = [&](int64_t image) {
    if (image == pair.image || !regions.usable(image)) return false;
    pair.image = image;
    pair.matched = false;
    return true;
  };
  if (random.uniform() < options_.sibling_negatives && take(source_.sibling(pair.caption))) return;
  for (int attempt = 0; attempt < 100; ++attempt)
    if (take(static_cast<int64_t>(random.below(static_cast<uint64_t>(source_.images()))))) return;
}

void RegionCollator::mask_words_of(RegionPair& pair, int64_t step, int64_t slot) const {
  Random random(options_.seed, kRegionWords, step, slot);
  const RegionMasking& how = options_.masking;
  const TextSample& text = pair.text;
  if (!how.whole_words) {
    pair.words = mask_tokens(text.ids, text.words, how.word_rate, how.at_least_one, source_.vocabulary(), random);
    return;
  }
  const MaskingOptions options{.rate = how.word_rate, .content_first = how.content_first};
  pair.words = mask_words(text.ids, text.words, text.content, options, source_.vocabulary(), random);
}

void RegionCollator::mask_regions_of(RegionPair& pair, int64_t step, int64_t slot) const {
  Random random(options_.seed, kRegionMask, step, slot);
  const int64_t regions = pair.regions.count();
  for (int64_t r = 0; r < regions; ++r)
    if (random.uniform() < options_.masking.region_rate) pair.masked.push_back(r);
  if (pair.masked.empty() && options_.masking.at_least_one)
    pair.masked.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(regions))));
  for (const int64_t region : pair.masked)
    if (random.uniform() >= options_.masking.region_shown) pair.hidden.push_back(region);
}

std::vector<RegionPair> RegionCollator::step(int64_t step, Wanted wanted) const {
  StepRegions regions(*this);
  std::vector<RegionPair> pairs;
  for (const int64_t caption : sampler_.samples(step)) {
    const int64_t slot = sampler_.first_slot() + static_cast<int64_t>(pairs.size());
    RegionPair& pair = pairs.emplace_back();
    pair.caption = usable_caption(caption, step, slot, regions);
    pair.image = source_.image_of(pair.caption);
    pair.text = source_.text(pair.caption);
    if (wanted.false_pictures) choose_picture(pair, step, slot, regions);
    const ReadableRegions& found = regions[pair.image];
    pair.regions = found.regions;
    pair.told = pair.matched || options_.masking.false_pairs;
    if (wanted.masked_words) mask_words_of(pair, step, slot);
    if (wanted.masked_regions && !found.stands_in) mask_regions_of(pair, step, slot);
  }
  return pairs;
}

std::vector<int64_t> rows_of_places(std::span<const RegionQuestion> questions, const std::vector<int64_t>& marks) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < questions.size(); ++i)
    for (const int64_t place : questions[i].places) rows.push_back(marks[i] + place);
  return rows;
}

void append_by_question(std::span<const RegionQuestion> questions, const std::vector<int64_t>& ids,
                        std::vector<std::vector<int64_t>>& out) {
  auto next = ids.begin();
  for (const RegionQuestion& question : questions) {
    const auto count = static_cast<std::ptrdiff_t>(question.places.size());
    out.emplace_back(next, next + count);
    next += count;
  }
}

}  // namespace tessera
