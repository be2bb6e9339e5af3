#include "vilt/input/collator.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

namespace tessera {
namespace {

// Streams of random numbers beside those of sampling.
enum Purpose : uint64_t { kMask = 2, kMatch, kFalseImage, kPatches, kPatchMask = 8 };

}  // namespace

Collator::Collator(const PairSource& source, const CollatorOptions& options, Quarantine& quarantine, Share share)
    : source_(source),
      options_(options),
      quarantine_(quarantine),
      sampler_(source.captions(), options, curriculum(), share) {
  check(options.masked_words || options.pairs || options.masked_patches,
        "collator: neither masked words nor pairs nor masked patches are asked for");
  if (options.masking.content_first > 0) source.require(AnnotationField::content_words, "objectives.content_first");
  if (options.sibling_negatives > 0) source.require(AnnotationField::sibling, "objectives.sibling_negatives");
}

std::vector<int64_t> Collator::curriculum() const {
  check(source_.captions() > 0, "data: the training split has no captions");
  if (options_.curriculum_steps == 0) return {};
  source_.require(AnnotationField::group, "train.curriculum");
  std::vector<int64_t> group;
  for (int64_t s = 0; s < source_.captions(); ++s)
    if (source_.group(s) == options_.curriculum_group) group.push_back(s);
  check(!group.empty(), "data: no sentence of the training split is in the group '", options_.curriculum_group,
        "' (train.curriculum_group)");
  return group;
}

// The sentence itself, or, if its image is bad, its replacement.
int64_t Collator::usable_sentence(int64_t sentence, int64_t step, int64_t slot, StepImages& images) const {
  const auto usable = [&](int64_t candidate) { return images.usable(source_.image_of(candidate)); };
  if (usable(sentence)) return sentence;
  const std::optional<int64_t> other = sampler_.replacement(step, slot, usable);
  check(other.has_value(), "data: of the images of ", sampler_.candidates(step), " captions not one can be used");
  return *other;
}

Collator::Draw Collator::draw(int64_t sentence, int64_t step, int64_t slot, StepImages& images) const {
  Draw draw;
  draw.sentence = usable_sentence(sentence, step, slot, images);
  draw.image = draw.pair_image = source_.image_of(draw.sentence);
  draw.text = source_.text(draw.sentence);
  if (!options_.masked_words) return draw;
  const TextSample& text = draw.text;
  Random random(options_.seed, kMask, step, slot);
  draw.masking = mask_words(text.ids, text.words, text.content, options_.masking, source_.vocabulary(), random);
  return draw;
}

// Of all images, or of those that lie near.
int64_t Collator::drawn_image(int64_t step, int64_t slot, Random& random) const {
  if (sampler_.windowed()) return source_.image_of(sampler_.of_window(step, slot, random));
  return static_cast<int64_t>(random.below(static_cast<uint64_t>(source_.images())));
}

// Half of the pairs of a step, over all ranks, are true; the others get a false image.
void Collator::choose_pairs(std::vector<Draw>& draws, int64_t step, StepImages& images) const {
  std::vector<int64_t> order(static_cast<size_t>(options_.batch_size));
  std::iota(order.begin(), order.end(), int64_t{0});
  Random match(options_.seed, kMatch, step);
  match.shuffle(order);
  for (size_t i = order.size() / 2; i < order.size(); ++i) {
    const int64_t slot = order[i], own = slot - sampler_.first_slot();
    if (own < 0 || own >= sampler_.slots()) continue;
    Draw& draw = draws[static_cast<size_t>(own)];
    Random random(options_.seed, kFalseImage, step, slot);
    if (random.uniform() < options_.sibling_negatives) {
      const int64_t sibling = source_.sibling(draw.sentence);
      if (sibling != draw.image && images.usable(sibling)) {
        draw.pair_image = sibling;
        draw.matched = false;
        continue;
      }
    }
    // A data set (or batch) of one image has no false one: the pair stays true.
    for (int attempt = 0; attempt < 100; ++attempt) {
      const int64_t image =
          options_.false_images_in_batch ? draws[random.below(draws.size())].image : drawn_image(step, slot, random);
      if (image == draw.image || !images.usable(image)) continue;
      draw.pair_image = image;
      draw.matched = false;
      break;
    }
  }
}

std::vector<int64_t> sample_patches(int64_t patches, int64_t most, Random& random) {
  if (most == 0 || patches <= most) return {};
  std::vector<int64_t> order(static_cast<size_t>(patches));
  std::iota(order.begin(), order.end(), int64_t{0});
  random.shuffle(order);
  order.resize(static_cast<size_t>(most));
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
  StepImages images(source_, quarantine_, step, options_.rand_augment ? std::optional(options_.seed) : std::nullopt);
  std::vector<Draw> draws;
  for (const int64_t sentence : sampler_.samples(step))
    draws.push_back(draw(sentence, step, sampler_.first_slot() + static_cast<int64_t>(draws.size()), images));
  if (options_.pairs) choose_pairs(draws, step, images);
  std::vector<PretrainBatch> batches;
  const auto size = static_cast<size_t>(sampler_.slots() / options_.accumulate);
  for (size_t first = 0; first < draws.size(); first += size)
    batches.push_back(pack(std::span(draws).subspan(first, std::min(size, draws.size() - first)), step,
                           sampler_.first_slot() + static_cast<int64_t>(first), images));
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
    const Grid grid = source_.grid(images[image]);
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
      const ResizedImage& pixels = images[image];
      const Grid grid = source_.grid(pixels);
      entry->second = options_.levels
                          ? builder.add_levels(grid, [&](auto values) { source_.write_levels(pixels, values); })
                          : builder.add_image(grid, [&](auto values) { source_.write_patches(pixels, values); });
    }
    return entry->second;
  };
  const auto add = [&](std::span<const int64_t> ids, int64_t image, size_t slot, uint64_t pass) {
    const ResizedImage& pixels = images[image];
    Random random(options_.seed, kPatches, step, first_slot + static_cast<int64_t>(slot), pass);
    const std::vector<int64_t> order = sample_patches(
        int64_t{pixels.image.height / patch} * (pixels.image.width / patch), options_.max_patches, random);
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
      pair_rows.push_back(builder.sequence(add(draws[i].text.ids, draws[i].pair_image, i, 1)).begin);
      pair_labels.push_back(draws[i].matched);
    }
  }
  if (options_.masked_patches) {
    std::vector<int64_t> rows, colours;
    for (size_t i = 0; i < draws.size(); ++i) {
      Random random(options_.seed, kPatchMask, step, first_slot + static_cast<int64_t>(i));
      mask_sequence(builder, add(draws[i].text.ids, draws[i].image, i, 2), random, rows, colours);
    }
    batch.objectives.target_rows = Tensor::from(rows);
    batch.objectives.target_colours = Tensor::from(colours, {static_cast<int64_t>(rows.size()), 3});
  }
  for (const Draw& draw : draws) batch.sample_ids.push_back(source_.id_of(draw.sentence));
  batch.packed = builder.finish();
  batch.objectives.masked_rows = Tensor::from(masked_rows);
  batch.objectives.masked_labels = Tensor::from(masked_labels);
  batch.objectives.pair_rows = Tensor::from(pair_rows);
  batch.objectives.pair_labels = Tensor::from(pair_labels);
  fill_alignment_rows(batch.packed, first_pair, static_cast<int>(pair_rows.size()), batch.objectives);
  return batch;
}

}  // namespace tessera
