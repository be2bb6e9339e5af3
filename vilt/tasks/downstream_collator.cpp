#include "vilt/tasks/downstream_collator.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "vilt/input/collator.h"

namespace tessera {
namespace {

// Streams of random numbers beside those of sampling.
enum DownstreamStream : uint64_t { kFalseTextStream = 9, kTaskPatchStream = 10 };

}  // namespace

DownstreamCollator::DownstreamCollator(const DownstreamTask& task, const DownstreamSource& source,
                                       const DownstreamOptions& options, Quarantine& quarantine, Share share)
    : task_(task),
      source_(source),
      options_(options),
      quarantine_(quarantine),
      sampler_(static_cast<int64_t>(source.set.samples.size()), options, {}, share) {
  check(!source.set.samples.empty(), "data: there are no ", task.samples, " to train on");
}

bool DownstreamCollator::usable(int64_t sample, StepImages& images) const {
  const auto& of_sample = source_.set.samples[static_cast<size_t>(sample)].images;
  return std::all_of(of_sample.begin(), of_sample.begin() + task_.images,
                     [&](int64_t image) { return images.usable(image); });
}

int64_t DownstreamCollator::usable_sample(int64_t sample, int64_t step, int64_t slot, StepImages& images) const {
  if (usable(sample, images)) return sample;
  const auto other = sampler_.replacement(step, slot, [&](int64_t candidate) { return usable(candidate, images); });
  check(other.has_value(), "data: of ", sampler_.candidates(step), " ", task_.samples,
        " none has pictures that can be used");
  return *other;
}

std::vector<DownstreamBatch> DownstreamCollator::step(int64_t step) const {
  StepImages images(source_.pictures, quarantine_, step,
                    options_.rand_augment ? std::optional(options_.seed) : std::nullopt);
  std::vector<int64_t> samples;
  for (const int64_t sample : sampler_.samples(step))
    samples.push_back(
        usable_sample(sample, step, sampler_.first_slot() + static_cast<int64_t>(samples.size()), images));
  std::vector<DownstreamBatch> batches;
  const auto size = static_cast<size_t>(sampler_.slots() / options_.accumulate);
  for (size_t first = 0; first < samples.size(); first += size)
    batches.push_back(pack(std::span(samples).subspan(first, std::min(size, samples.size() - first)), step,
                           sampler_.first_slot() + static_cast<int64_t>(first), images));
  return batches;
}

DownstreamBatch DownstreamCollator::pack(std::span<const int64_t> samples, int64_t step, int64_t first_slot,
                                         const StepImages& images) const {
  const int patch = source_.options.patch;
  BatchBuilder builder(int64_t{3} * patch * patch, options_.table_side,
                       options_.levels ? std::optional(source_.options.norm) : std::nullopt);
  // Of a picture that several samples have, once.
  std::set<int64_t> distinct;
  int64_t patches = 0;
  for (const int64_t sample : samples)
    for (int64_t k = 0; k < task_.images; ++k)
      if (const int64_t image = source_.set.samples[static_cast<size_t>(sample)].images[static_cast<size_t>(k)];
          distinct.insert(image).second) {
        const Grid grid = source_.pictures.grid(images[image]);
        patches += int64_t{grid.rows} * grid.columns;
      }
  builder.reserve_patches(patches);
  DownstreamBatch batch;
  std::map<int64_t, int> added;
  const auto image_index = [&](int64_t image) {
    const auto [entry, is_new] = added.try_emplace(image, 0);
    if (!is_new) return entry->second;
    const ResizedImage& pixels = images[image];
    const Grid grid = source_.pictures.grid(pixels);
    entry->second = options_.levels
                        ? builder.add_levels(grid, [&](auto values) { source_.pictures.write_levels(pixels, values); })
                        : builder.add_image(grid, [&](auto values) { source_.pictures.write_patches(pixels, values); });
    return entry->second;
  };
  std::vector<int64_t> rows, labels;
  std::vector<float> targets;
  for (size_t i = 0; i < samples.size(); ++i) {
    const DownstreamSample& sample = source_.set.samples[static_cast<size_t>(samples[i])];
    const int64_t slot = first_slot + static_cast<int64_t>(i);
    std::vector<int64_t> texts{samples[i]};
    if (!task_.classifies) {
      Random random(options_.seed, kFalseTextStream, step, slot);
      for (int64_t k = 0; k < options_.false_texts; ++k)
        texts.push_back(static_cast<int64_t>(random.below(source_.set.samples.size())));
      if (sample.sibling >= 0 && options_.sibling_negatives > 0 && random.uniform() < options_.sibling_negatives)
        texts[1] = sample.sibling;
    }
    for (size_t t = 0; t < texts.size(); ++t) {
      const std::vector<int64_t> ids = source_.text(texts[t]);
      for (int64_t k = 0; k < task_.images; ++k) {
        const int64_t image = sample.images[static_cast<size_t>(k)];
        const Grid grid = source_.pictures.grid(images[image]);
        Random random(options_.seed, kTaskPatchStream, step, slot, t * 2 + static_cast<size_t>(k));
        const std::vector<int64_t> order =
            sample_patches(int64_t{grid.rows} * grid.columns, options_.max_patches, random);
        rows.push_back(builder.sequence(builder.add_sequence(ids, image_index(image), order, 1 + k)).begin);
      }
    }
    labels.push_back(sample.label);
    targets.resize(targets.size() + static_cast<size_t>(options_.answers));
    for (const SoftTarget& target : sample.targets)
      targets[i * static_cast<size_t>(options_.answers) + static_cast<size_t>(target.label)] =
          static_cast<float>(target.score);
    batch.sample_ids.push_back(sample.id);
  }
  batch.samples = static_cast<int64_t>(samples.size());
  batch.packed = builder.finish();
  batch.rows = Tensor::from(rows);
  batch.labels = Tensor::from(labels);
  if (options_.answers > 0) batch.targets = Tensor::from(targets, {batch.samples, options_.answers});
  return batch;
}

}  // namespace tessera
