#include "models/pixelbert/collator.h"

#include <algorithm>
#include <numeric>

namespace tessera {
namespace {

// Streams of random numbers beside those of sampling.
enum PixelBertPurpose : uint64_t { kWordMask = 2, kWhichMatch, kWrongPicture, kCells };
// Which sequence of a caption.
enum PixelBertPass : uint64_t { kMaskedPass, kPairPass };

}  // namespace

std::vector<int64_t> sample_cells(int64_t cells, int64_t most, Random& random) {
  std::vector<int64_t> out(static_cast<size_t>(cells));
  std::iota(out.begin(), out.end(), int64_t{0});
  if (most == 0 || cells <= most) return out;
  random.shuffle(out);
  out.resize(static_cast<size_t>(most));
  std::sort(out.begin(), out.end());
  return out;
}

PixelBertCollator::PixelBertCollator(const PairSource& source, const Sampler& sampler, const PixelBertConfig& config,
                                     const PixelBertBatches& options, Quarantine& quarantine)
    : source_(source), sampler_(sampler), config_(config), options_(options), quarantine_(quarantine) {
  check(options.masked_words || options.pairs, "pixelbert: neither masked words nor pairs are asked for");
  check(options.accumulate >= 1 && sampler_.slots() % options.accumulate == 0, "pixelbert: a step of ",
        sampler_.slots(), " captions cannot be cut into ", options.accumulate, " micro-batches of one size");
  check(options.sampled_cells >= 0, "pixelbert: ", options.sampled_cells, " cells to sample");
  if (options.masking.content_first > 0) source.require(AnnotationField::content_words, "objectives.content_first");
  if (options.sibling_negatives > 0) source.require(AnnotationField::sibling, "objectives.sibling_negatives");
}

// The caption itself, or, if its picture is bad, its replacement.
PixelBertCollator::Draw PixelBertCollator::draw(int64_t caption, int64_t step, int64_t slot, StepImages& images) const {
  const auto usable = [&](int64_t candidate) { return images.usable(source_.image_of(candidate)); };
  Draw draw;
  draw.caption = caption;
  if (!usable(caption)) {
    const std::optional<int64_t> other = sampler_.replacement(step, slot, usable);
    check(other.has_value(), "data: of the pictures of ", sampler_.candidates(step), " captions not one can be used");
    draw.caption = *other;
  }
  draw.image = draw.pair_image = source_.image_of(draw.caption);
  draw.text = source_.text(draw.caption);
  if (!options_.masked_words) return draw;
  Random random(options_.seed, kWordMask, step, slot);
  draw.masking =
      mask_words(draw.text.ids, draw.text.words, draw.text.content, options_.masking, source_.vocabulary(), random);
  return draw;
}

// None where a data set, or a batch, has one picture alone.
std::optional<int64_t> PixelBertCollator::false_image(const std::vector<Draw>& draws, const Draw& draw, int64_t step,
                                                      int64_t slot, StepImages& images) const {
  Random random(options_.seed, kWrongPicture, step, slot);
  if (random.uniform() < options_.sibling_negatives) {
    const int64_t sibling = source_.sibling(draw.caption);
    if (sibling != draw.image && images.usable(sibling)) return sibling;
  }
  for (int attempt = 0; attempt < 100; ++attempt) {
    int64_t image = 0;
    if (options_.false_images_in_batch)
      image = draws[random.below(draws.size())].image;
    else if (sampler_.windowed())
      image = source_.image_of(sampler_.of_window(step, slot, random));
    else
      image = static_cast<int64_t>(random.below(static_cast<uint64_t>(source_.images())));
    if (image != draw.image && images.usable(image)) return image;
  }
  return std::nullopt;
}

// Half of the pairs of a step, over all ranks, are true; the others get a false picture.
void PixelBertCollator::choose_pairs(std::vector<Draw>& draws, int64_t step, StepImages& images) const {
  std::vector<int64_t> order(static_cast<size_t>(options_.batch_size));
  std::iota(order.begin(), order.end(), int64_t{0});
  Random match(options_.seed, kWhichMatch, step);
  match.shuffle(order);
  for (size_t i = order.size() / 2; i < order.size(); ++i) {
    const int64_t slot = order[i], own = slot - sampler_.first_slot();
    if (own < 0 || own >= sampler_.slots()) continue;
    Draw& draw = draws[static_cast<size_t>(own)];
    const std::optional<int64_t> other = false_image(draws, draw, step, slot, images);
    if (!other) continue;
    draw.pair_image = *other;
    draw.matched = false;
  }
}

std::vector<PixelBertBatch> PixelBertCollator::step(int64_t step) const {
  StepImages images(source_, quarantine_, step, options_.rand_augment ? std::optional(options_.seed) : std::nullopt);
  std::vector<Draw> draws;
  for (const int64_t caption : sampler_.samples(step))
    draws.push_back(draw(caption, step, sampler_.first_slot() + static_cast<int64_t>(draws.size()), images));
  if (options_.pairs) choose_pairs(draws, step, images);
  std::vector<PixelBertBatch> batches;
  const auto size = static_cast<size_t>(sampler_.slots() / options_.accumulate);
  for (size_t first = 0; first < draws.size(); first += size)
    batches.push_back(
        pack(std::span(draws).subspan(first, size), step, sampler_.first_slot() + static_cast<int64_t>(first), images));
  return batches;
}

PixelBertBatch PixelBertCollator::pack(std::span<const Draw> draws, int64_t step, int64_t first_slot,
                                       const StepImages& images) const {
  PixelBertBatch out;
  PictureGroups groups(config_, source_.options().norm);
  int64_t tokens = 0;
  // Returns the sequence's first row.
  const auto add = [&](const std::vector<int64_t>& ids, int64_t image, size_t slot, PixelBertPass pass) {
    const CellRange range = groups.add(image, images[image].image);
    Random random(options_.seed, kCells, step, first_slot + static_cast<int64_t>(slot), pass);
    out.texts.push_back(ids);
    out.ranges.push_back(range);
    out.selected.push_back(sample_cells(range.count, options_.sampled_cells, random));
    const int64_t first = tokens;
    tokens += static_cast<int64_t>(ids.size() + out.selected.back().size());
    return first;
  };
  std::vector<int64_t> masked_rows, masked_labels, pair_sequences, pair_labels;
  for (size_t i = 0; options_.masked_words && i < draws.size(); ++i) {
    const Masking& masking = draws[i].masking;
    const int64_t first = add(masking.ids, draws[i].image, i, kMaskedPass);
    for (size_t t = 0; t < masking.labels.size(); ++t) {
      if (masking.labels[t] == kIgnoreLabel) continue;
      masked_rows.push_back(first + static_cast<int64_t>(t));
      masked_labels.push_back(masking.labels[t]);
    }
  }
  for (size_t i = 0; options_.pairs && i < draws.size(); ++i) {
    pair_sequences.push_back(static_cast<int64_t>(out.texts.size()));
    pair_labels.push_back(draws[i].matched);
    add(draws[i].text.ids, draws[i].pair_image, i, kPairPass);
  }
  for (const Draw& draw : draws) out.sample_ids.push_back(source_.id_of(draw.caption));
  out.pictures = groups.finish();
  out.masked_rows = Tensor::from(masked_rows);
  out.masked_labels = Tensor::from(masked_labels);
  out.pair_sequences = Tensor::from(pair_sequences);
  out.pair_labels = Tensor::from(pair_labels);
  return out;
}

}  // namespace tessera
