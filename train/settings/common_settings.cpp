#include "train/settings/common_settings.h"

#include "data/shards/sources.h"
#include "tensor/device.h"
#include "tensor/error.h"

namespace tessera {

void expect_one_of(std::string_view key, const std::string& value, std::initializer_list<const char*> allowed) {
  std::string list;
  for (const char* a : allowed) {
    if (value == a) return;
    list += std::string(list.empty() ? "" : ", ") + a;
  }
  fail("setting '", key, "' is '", value, "', expected one of: ", list);
}

void expect_at_least(std::string_view key, double value, double least) {
  check(value >= least, "setting '", key, "' is ", value, ", expected at least ", least);
}

void expect_at_least(std::string_view key, int64_t value, int64_t least) {
  check(value >= least, "setting '", key, "' is ", value, ", expected at least ", least);
}

void expect_between(std::string_view key, int64_t value, int64_t least, int64_t most) {
  check(value >= least && value <= most, "setting '", key, "' is ", value, ", expected ", least, " to ", most);
}

void expect_share(std::string_view key, double value) {
  check(value >= 0 && value <= 1, "setting '", key, "' is ", value, ", expected 0 to 1");
}

void expect_above_zero(std::string_view key, double value) {
  check(value > 0, "setting '", key, "' is ", value, ", expected more than 0");
}

std::filesystem::path vocabulary_path(const DataSettings& data) {
  if (!data.vocabulary.empty()) return data.vocabulary;
  const std::string& captions = data.sets.empty() ? data.captions : data.sets[0].captions;
  return std::filesystem::path(captions).parent_path() / "vocab.txt";
}

AdamWOptions adamw_options(const OptimizerSettings& settings) {
  return {settings.beta1, settings.beta2, settings.eps, settings.weight_decay,
          settings.variant == "torch" ? AdamWVariant::torch : AdamWVariant::transformers};
}

PolynomialSchedule schedule_of(const OptimizerSettings& settings, int64_t steps) {
  const auto warmup = static_cast<int64_t>(settings.warmup * static_cast<double>(steps));
  return {settings.learning_rate, warmup, steps, settings.power, settings.end_learning_rate};
}

void validate(const DataSettings& data) {
  if (data.sets.empty()) {
    check(!data.captions.empty(), "setting 'data.captions' is empty, expected a captions file (docs/data.md)");
    check(!data.images.empty() || are_shards(data.captions, data.kind),
          "setting 'data.images' is empty, expected the folder of the images");
  }
  check(data.sets.empty() || data.captions.empty(),
        "settings 'data.sets' and 'data.captions' are both there, expected one of them");
  check(data.sets.size() <= 1000, "setting 'data.sets' has ", data.sets.size(), " entries, expected at most 1000");
  for (size_t i = 0; i < data.sets.size(); ++i) {
    const DataSetSettings& set = data.sets[i];
    check(!set.captions.empty() && (!set.images.empty() || are_shards(set.captions, set.kind)), "setting 'data.sets[",
          i, "]' has no ", set.captions.empty() ? "captions" : "images");
    check(set.weight >= 0, "setting 'data.sets[", i, "].weight' is ", set.weight, ", expected 0 or more");
    check((set.weight > 0) == (data.sets[0].weight > 0), "setting 'data.sets[", i, "].weight' is ", set.weight,
          ": either every set has a weight or none");
  }
  // Threads: an absurd number would end in the middle of starting them.
  expect_between("data.workers", data.workers, 1, 256);
  expect_between("data.prefetch", data.prefetch, 1, 10'000);
  expect_between("data.shuffle_buffer", data.shuffle_buffer, 1, 1'000'000'000);
  expect_at_least("data.cache_bytes", data.cache_bytes, 0);
  expect_at_least("data.max_bad_files", data.max_bad_files, 0);
  check(!data.annotations.empty() || data.unseen_group.empty(), "setting 'data.unseen_group' needs 'data.annotations'");
}

void validate(const ImageSettings& image, int64_t least_size) {
  expect_one_of("image.resize", image.resize, {"shorter", "none"});
  expect_between("image.shorter", image.shorter, least_size, 16384);
  expect_above_zero("image.std", image.std);
  expect_at_least("image.max_patches", image.max_patches, 0);
  expect_one_of("image.augment", image.augment, {"none", "randaugment"});
}

void validate(const OptimizerSettings& optimizer) {
  const auto beta = [](const char* key, double value) {
    check(value >= 0 && value < 1, "setting '", key, "' is ", value, ", expected at least 0 and less than 1");
  };
  expect_one_of("optimizer.variant", optimizer.variant, {"transformers", "torch"});
  expect_at_least("optimizer.learning_rate", optimizer.learning_rate, 0);
  expect_at_least("optimizer.end_learning_rate", optimizer.end_learning_rate, 0);
  beta("optimizer.beta1", optimizer.beta1);
  beta("optimizer.beta2", optimizer.beta2);
  expect_above_zero("optimizer.eps", optimizer.eps);
  expect_at_least("optimizer.weight_decay", optimizer.weight_decay, 0);
  expect_at_least("optimizer.patch_projection_factor", optimizer.patch_projection_factor, 0);
  expect_at_least("optimizer.head_factor", optimizer.head_factor, 0);
  expect_share("optimizer.warmup", optimizer.warmup);
  expect_above_zero("optimizer.power", optimizer.power);
  expect_at_least("optimizer.clip", optimizer.clip, 0);
}

void validate(const TrainSettings& train, const DataSettings& data) {
  expect_one_of("train.extend", train.extend, {"rescale", "constant"});
  expect_one_of("train.changed_data", train.changed_data, {"error", "continue"});
  expect_one_of("train.precision", train.precision, {"highest", "high", "tf32", "bf16"});
  const Device device = device_named("train.device", train.device);
  check(train.precision != "tf32" || device.kind == Device::cuda,
        "train.precision: tf32 is the GPU's (train.device = \"cuda\"); on the CPU choose highest, high or bf16");
  check(!train.cuda_graph || device.kind == Device::cuda, "train.cuda_graph needs train.device = \"cuda\"");
  expect_share("train.curriculum", train.curriculum);
  expect_at_least("train.steps", train.steps, 1);
  expect_between("train.epochs", train.epochs, 0, 1'000'000);
  expect_between("train.batch_size", train.batch_size, 1, 1'000'000);
  expect_between("train.accumulate", train.accumulate, 1, 1'000'000);
  check(train.batch_size % train.accumulate == 0, "setting 'train.batch_size' is ", train.batch_size,
        ", expected a multiple of 'train.accumulate' (", train.accumulate, ")");
  expect_at_least("train.log_every", train.log_every, 1);
  expect_at_least("train.evaluate_every", train.evaluate_every, 0);
  expect_at_least("train.checkpoint_every", train.checkpoint_every, 0);
  expect_between("train.tensorboard_pictures", train.tensorboard_pictures, 0, 1000);
  expect_at_least("train.evaluate_samples", train.evaluate_samples, 0);
  expect_at_least("train.test_samples", train.test_samples, 0);
  expect_between("train.threads", train.threads, 0, 1024);
  check(!train.out.empty(), "setting 'train.out' is empty, expected a folder");
  check(!data.annotations.empty() || train.curriculum == 0, "setting 'train.curriculum' needs 'data.annotations'");
  check(!train.curriculum_group.empty() || train.curriculum == 0,
        "setting 'train.curriculum' needs 'train.curriculum_group'");
}

}  // namespace tessera
