#include "models/training/settings.h"

#include <cmath>

#include "data/shards/sources.h"
#include "models/parts/curriculum.h"
#include "tensor/error.h"

namespace tessera {

SettingSlots slots_of(SystemSettings& settings, SettingSlots own) {
  SettingSlots slots{{kSystemKind, &settings.kind}};
  append(slots, without(slots_of(settings.data), {"data.unseen_captions", "data.shuffle_buffer"}));
  append(slots, without(slots_of(settings.image), {"image.max_patches", "image.augment"}));
  append(slots, std::move(own));
  append(slots, without(slots_of(settings.optimizer), {"optimizer.patch_projection_factor", "optimizer.head_factor"}));
  append(slots, without(slots_of(settings.train), {"train.task", "train.init_from", "train.epochs",
                                                   "train.checkpoint_blocks", "train.tensorboard_pictures"}));
  return slots;
}

void validate(const SystemSettings& settings, int64_t patch) {
  const DataSettings& data = settings.data;
  validate(data);
  bool shards = data.sets.empty() && are_shards(data.captions, data.kind);
  for (const DataSetSettings& set : data.sets) shards |= are_shards(set.captions, set.kind);
  check(!shards, "setting 'data.captions' names tar shards, which the system '", settings.kind,
        "' does not read yet; expected a captions file and a folder of images");
  validate(settings.image, patch);
  validate(settings.optimizer);
  validate(settings.train, data);
}

SampleOptions sample_options(const SystemSettings& settings, int64_t patch, int64_t max_length) {
  SampleOptions options;
  options.resize = settings.image.resize == "shorter";
  options.shorter = static_cast<int>(settings.image.shorter);
  options.patch = static_cast<int>(patch);
  options.norm.mean.fill(static_cast<float>(settings.image.mean));
  options.norm.std.fill(static_cast<float>(settings.image.std));
  options.respect_orientation = settings.image.respect_orientation;
  options.max_length = max_length;
  options.cache_bytes = settings.data.cache_bytes;
  return options;
}

SamplerOptions sampler_options(const SystemSettings& settings, const SampleSource& train) {
  SamplerOptions options;
  options.batch_size = settings.train.batch_size;
  options.seed = static_cast<uint64_t>(settings.train.seed);
  options.curriculum_steps = std::llround(settings.train.curriculum * static_cast<double>(settings.train.steps));
  const auto& sets = settings.data.sets;
  if (!sets.empty() && sets[0].weight > 0) {
    options.parts = train.parts();
    for (size_t i = 0; i < sets.size(); ++i) options.parts.at(i).weight = sets[i].weight;
  }
  return options;
}

Sampler system_sampler(const SystemSettings& settings, const SampleSource& train) {
  const SamplerOptions options = sampler_options(settings, train);
  return Sampler(train.captions(), options, curriculum_captions(train, options, settings.train.curriculum_group));
}

}  // namespace tessera
