#include "vilt/input/collator.h"

#include <algorithm>
#include <numeric>

namespace tessera {
namespace {

// Separate streams of random numbers, so that a change in one kind of draw leaves the others as they were.
enum Purpose : uint64_t { kOrder = 1, kMask, kMatch, kFalseImage, kPatches, kReplacement, kAugment, kPatchMask };

}  // namespace

bool Quarantine::contains(int64_t image) const {
  const std::lock_guard lock(mutex_);
  return images_.contains(image);
}

void Quarantine::add(int64_t image, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!images_.insert(image).second) return;
  if (report_) report_(reason);
  check(static_cast<int64_t>(images_.size()) <= limit_, "data: ", images_.size(),
        " images cannot be used, more than data.max_bad_files (", limit_, "); the last: ", reason);
}

int64_t Quarantine::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(images_.size());
}

Collator::Collator(const SampleSource& source, const CollatorOptions& options, Quarantine& quarantine)
    : source_(source), options_(options), quarantine_(quarantine) {
  const Dataset& dataset = source.dataset();
  check(!dataset.sentences().empty(), "data: the training split has no captions");
  check(options.masked_words || options.pairs || options.masked_patches,
        "collator: neither masked words nor pairs nor masked patches are asked for");
  if (options.masking.content_first > 0) dataset.require(AnnotationField::content_words, "objectives.content_first");
  if (options.sibling_negatives > 0) dataset.require(AnnotationField::sibling, "objectives.sibling_negatives");
  if (options.curriculum_steps == 0) return;
  dataset.require(AnnotationField::group, "train.curriculum");
  for (int64_t s = 0; s < static_cast<int64_t>(dataset.sentences().size()); ++s)
    if (*dataset.annotation(s)->group == options.curriculum_group) group_.push_back(s);
  check(!group_.empty(), "data: no sentence of the training split is in the group '", options.curriculum_group,
        "' (train.curriculum_group)");
}

Collator::Order Collator::epoch_order(bool in_curriculum, int64_t epoch) const {
  const std::lock_guard lock(mutex_);
  Order& entry = orders_[{!in_curriculum, epoch}];
  if (!entry) {
    std::vector<int64_t> order = group_;
    if (!in_curriculum) {
      order.resize(source_.dataset().sentences().size());
      std::iota(order.begin(), order.end(), int64_t{0});
    }
    Random(options_.seed, kOrder, in_curriculum, epoch).shuffle(order);
    entry = std::make_shared<const std::vector<int64_t>>(std::move(order));
  }
  const Order result = entry;
  if (orders_.size() > 4) orders_.erase(orders_.begin());
  return result;
}

// Each epoch is a permutation of its own; batches run on across the end of an epoch.
std::vector<int64_t> Collator::sentences_of(int64_t step) const {
  const bool in_curriculum = step < options_.curriculum_steps;
  const auto count = static_cast<int64_t>(in_curriculum ? group_.size() : source_.dataset().sentences().size());
  const int64_t first = (in_curriculum ? step : step - options_.curriculum_steps) * options_.batch_size;
  std::vector<int64_t> chosen;
  for (int64_t position = first; position < first + options_.batch_size; ++position)
    chosen.push_back((*epoch_order(in_curriculum, position / count))[static_cast<size_t>(position % count)]);
  return chosen;
}

bool Collator::usable(int64_t image, StepImages& images) const {
  if (images.ready.contains(image)) return true;
  if (quarantine_.contains(image)) return false;
  try {
    images.ready.emplace(image, options_.rand_augment
                                    ? source_.augmented(image, Random(options_.seed, kAugment, images.step, image))
                                    : source_.resized(image));
    return true;
  } catch (const Error& error) {
    quarantine_.add(image, error.what());
    return false;
  }
}

// The sentence itself, or, if its image is bad, one drawn from those that this step may use.
int64_t Collator::usable_sentence(int64_t sentence, int64_t step, int64_t slot, StepImages& images) const {
  if (usable(source_.image_of(sentence), images)) return sentence;
  const bool in_curriculum = step < options_.curriculum_steps;
  const size_t count = in_curriculum ? group_.size() : source_.dataset().sentences().size();
  const auto candidate = [&](size_t i) { return in_curriculum ? group_[i] : static_cast<int64_t>(i); };
  Random random(options_.seed, kReplacement, step, slot);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int64_t drawn = candidate(random.below(count));
    if (usable(source_.image_of(drawn), images)) return drawn;
  }
  for (size_t i = 0; i < count; ++i)
    if (usable(source_.image_of(candidate(i)), images)) return candidate(i);
  fail("data: of the images of ", count, " captions not one can be used");
}

Collator::Draw Collator::draw(int64_t sentence, int64_t step, int64_t slot, StepImages& images) const {
  Draw draw;
  draw.sentence = usable_sentence(sentence, step, slot, images);
  draw.image = draw.pair_image = source_.image_of(draw.sentence);
  if (!options_.masked_words) return draw;
  const TextSample& text = source_.text(draw.sentence);
  Random random(options_.seed, kMask, step, slot);
  draw.masking = mask_words(text.ids, text.words, text.content, options_.masking, source_.vocabulary(), random);
  return draw;
}

// Half of the pairs of a step are true; the others get a false image.
void Collator::choose_pairs(std::vector<Draw>& draws, int64_t step, StepImages& images) const {
  std::vector<size_t> order(draws.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Random match(options_.seed, kMatch, step);
  match.shuffle(order);
  const auto image_count = static_cast<uint64_t>(source_.dataset().images().size());
  for (size_t i = draws.size() / 2; i < draws.size(); ++i) {
    Draw& draw = draws[order[i]];
    Random random(options_.seed, kFalseImage, step, order[i]);
    if (random.uniform() < options_.sibling_negatives) {
      const int64_t sibling = source_.dataset().sibling(draw.sentence);
      if (sibling != draw.image && usable(sibling, images)) {
        draw.pair_image = sibling;
        draw.matched = false;
        continue;
      }
    }
    // A data set (or batch) of one image has no false one: the pair stays true.
    for (int attempt = 0; attempt < 100; ++attempt) {
      const int64_t image = options_.false_images_in_batch ? draws[random.below(draws.size())].image
                                                           : static_cast<int64_t>(random.below(image_count));
      if (image == draw.image || !usable(image, images)) continue;
      draw.pair_image = image;
      draw.matched = false;
      break;
    }
  }
}

std::vector<int64_t> Collator::patch_sample(int64_t patches, Random& random) const {
  if (options_.max_patches == 0 || patches <= options_.max_patches) return {};
  std::vector<int64_t> order(static_cast<size_t>(patches));
  std::iota(order.begin(), order.end(), int64_t{0});
  random.shuffle(order);
  order.resize(static_cast<size_t>(options_.max_patches));
  std::sort(order.begin(), order.end());
  return order;
}

// Hides patches of a sequence; appends the rows and colours of those to be predicted.
void Collator::mask_sequence(BatchBuilder& builder, int sequence, Random& random, std::vector<int64_t>& rows,
                             std::vector<int64_t>& colours) const {
  const SequenceLayout& layout = builder.sequence(sequence);
  const PatchMasking masking = mask_patches(layout.patches, options_.patch_masking, random);
  for (const int64_t place : masking.targets) {
    rows.push_back(layout.first_patch_row() + place);
    const auto colour = options_.levels ? mean_colour(builder.patch_levels(sequence, place))
                                        : mean_colour(builder.patch(sequence, place), source_.options().norm);
    colours.insert(colours.end(), colour.begin(), colour.end());
  }
  builder.replace_patches(sequence, masking.replaced);
}

std::vector<PretrainBatch> Collator::step(int64_t step) const {
  std::vector<Draw> draws;
  StepImages images{step, {}};
  for (const int64_t sentence : sentences_of(step))
    draws.push_back(draw(sentence, step, static_cast<int64_t>(draws.size()), images));
  if (options_.pairs) choose_pairs(draws, step, images);
  std::vector<PretrainBatch> batches;
  const auto size = static_cast<size_t>(options_.batch_size / options_.accumulate);
  for (size_t first = 0; first < draws.size(); first += size)
    batches.push_back(pack(std::span(draws).subspan(first, std::min(size, draws.size() - first)), step,
                           static_cast<int64_t>(first), images));
  return batches;
}

// Of all images that the draws use, each counted once.
int64_t Collator::patches_of(std::span<const Draw> draws, const StepImages& images) const {
  std::set<int64_t> used;
  for (const Draw& draw : draws) {
    if (options_.masked_words || options_.masked_patches) used.insert(draw.image);
    if (options_.pairs) used.insert(draw.pair_image);
  }
  int64_t patches = 0;
  for (const int64_t image : used) {
    const Grid grid = source_.grid(*images.ready.at(image));
    patches += int64_t{grid.rows} * grid.columns;
  }
  return patches;
}

PretrainBatch Collator::pack(std::span<const Draw> draws, int64_t step, int64_t first_slot,
                             const StepImages& images) const {
  const int patch = source_.options().patch;
  BatchBuilder builder(int64_t{3} * patch * patch, options_.table_side,
                       options_.levels ? std::optional(source_.options().norm) : std::nullopt);
  builder.reserve_patches(patches_of(draws, images));
  PretrainBatch batch;
  std::map<int64_t, int> added;
  const auto image_index = [&](int64_t image) {
    const auto [entry, is_new] = added.try_emplace(image, 0);
    if (is_new) {
      const ResizedImage& pixels = *images.ready.at(image);
      const Grid grid = source_.grid(pixels);
      entry->second =
          options_.levels
              ? builder.add_levels(grid, [&](auto values) { source_.write_levels(pixels, values); })
              : builder.add_image(grid, [&](auto values) { source_.write_patches(pixels, values); });
    }
    return entry->second;
  };
  const auto add = [&](std::span<const int64_t> ids, int64_t image, size_t slot, uint64_t pass) {
    const ResizedImage& pixels = *images.ready.at(image);
    Random random(options_.seed, kPatches, step, first_slot + static_cast<int64_t>(slot), pass);
    const std::vector<int64_t> order =
        patch_sample(int64_t{pixels.image.height / patch} * (pixels.image.width / patch), random);
    return builder.add_sequence(ids, image_index(image), order);
  };
  std::vector<int64_t> masked_rows, masked_labels, pair_rows, pair_labels;
  if (options_.masked_words) {
    for (size_t i = 0; i < draws.size(); ++i) {
      const Masking& masking = draws[i].masking;
      const int64_t begin = builder.sequence(add(masking.ids, draws[i].image, i, 0)).begin;
      for (size_t t = 0; t < masking.labels.size(); ++t) {
        if (masking.labels[t] == kIgnoreLabel) continue;
        masked_rows.push_back(begin + static_cast<int64_t>(t));
        masked_labels.push_back(masking.labels[t]);
      }
    }
  }
  const int first_pair = options_.masked_words ? static_cast<int>(draws.size()) : 0;
  if (options_.pairs) {
    for (size_t i = 0; i < draws.size(); ++i) {
      pair_rows.push_back(builder.sequence(add(source_.text(draws[i].sentence).ids, draws[i].pair_image, i, 1)).begin);
      pair_labels.push_back(draws[i].matched);
    }
  }
  if (options_.masked_patches) {
    std::vector<int64_t> rows, colours;
    for (size_t i = 0; i < draws.size(); ++i) {
      Random random(options_.seed, kPatchMask, step, first_slot + static_cast<int64_t>(i));
      mask_sequence(builder, add(source_.text(draws[i].sentence).ids, draws[i].image, i, 2), random, rows, colours);
    }
    batch.objectives.target_rows = Tensor::from(rows);
    batch.objectives.target_colours = Tensor::from(colours, {static_cast<int64_t>(rows.size()), 3});
  }
  for (const Draw& draw : draws)
    batch.sample_ids.push_back(source_.dataset().sentences()[static_cast<size_t>(draw.sentence)].id);
  batch.packed = builder.finish();
  batch.objectives.masked_rows = Tensor::from(masked_rows);
  batch.objectives.masked_labels = Tensor::from(masked_labels);
  batch.objectives.pair_rows = Tensor::from(pair_rows);
  batch.objectives.pair_labels = Tensor::from(pair_labels);
  fill_alignment_rows(batch.packed, first_pair, static_cast<int>(pair_rows.size()), batch.objectives);
  return batch;
}

}  // namespace tessera
