// Which values settings may have.
#include "data/shards/sources.h"
#include "tensor/device.h"
#include "tensor/error.h"
#include "vilt/tasks/settings.h"

namespace tessera {

void Settings::validate() const {
  const auto one_of = [](const char* key, const std::string& value, std::initializer_list<const char*> allowed) {
    std::string list;
    for (const char* a : allowed) {
      if (value == a) return;
      list += std::string(list.empty() ? "" : ", ") + a;
    }
    fail("setting '", key, "' is '", value, "', expected one of: ", list);
  };
  const auto at_least = [](const char* key, auto value, auto least) {
    check(value >= least, "setting '", key, "' is ", value, ", expected at least ", least);
  };
  const auto between = [](const char* key, int64_t value, int64_t least, int64_t most) {
    check(value >= least && value <= most, "setting '", key, "' is ", value, ", expected ", least, " to ", most);
  };
  const auto share = [](const char* key, double value) {
    check(value >= 0 && value <= 1, "setting '", key, "' is ", value, ", expected 0 to 1");
  };
  const auto more_than_zero = [](const char* key, double value) {
    check(value > 0, "setting '", key, "' is ", value, ", expected more than 0");
  };
  const auto beta = [](const char* key, double value) {
    check(value >= 0 && value < 1, "setting '", key, "' is ", value, ", expected at least 0 and less than 1");
  };
  if (data.sets.empty()) {
    check(!data.captions.empty(), "setting 'data.captions' is empty, expected a captions file (docs/data.md)");
    check(!data.images.empty() || are_shards(data.captions, data.kind),
          "setting 'data.images' is empty, expected the folder of the images");
  }
  check(data.sets.empty() || data.captions.empty(),
        "settings 'data.sets' and 'data.captions' are both there, expected one of them");
  check(data.sets.size() <= 1000, "setting 'data.sets' has ", data.sets.size(), " entries, expected at most 1000");
  for (size_t i = 0; i < data.sets.size(); ++i) {
    const DataSet& set = data.sets[i];
    check(!set.captions.empty() && (!set.images.empty() || are_shards(set.captions, set.kind)), "setting 'data.sets[",
          i, "]' has no ", set.captions.empty() ? "captions" : "images");
    check(set.weight >= 0, "setting 'data.sets[", i, "].weight' is ", set.weight, ", expected 0 or more");
    check((set.weight > 0) == (data.sets[0].weight > 0), "setting 'data.sets[", i, "].weight' is ", set.weight,
          ": either every set has a weight or none");
  }
  check(data.unseen_captions.empty() || train.task == "vqa" || train.task == "nlvr2",
        "setting 'data.unseen_captions' is for the tasks vqa and nlvr2; captions have 'data.unseen_split'");
  between("data.workers", data.workers, 1, 256);  // threads: an absurd number would end in the middle of starting them
  between("data.prefetch", data.prefetch, 1, 10'000);
  between("data.shuffle_buffer", data.shuffle_buffer, 1, 1'000'000'000);
  at_least("data.cache_bytes", data.cache_bytes, int64_t{0});
  at_least("data.max_bad_files", data.max_bad_files, int64_t{0});
  one_of("image.resize", image.resize, {"shorter", "none"});
  between("image.shorter", image.shorter, model.patch_size, 16384);
  more_than_zero("image.std", image.std);
  at_least("image.max_patches", image.max_patches, int64_t{0});
  one_of("image.augment", image.augment, {"none", "randaugment"});
  one_of("init.linear", init.linear, {"normal", "truncated_normal", "fan_in"});
  one_of("init.positions", init.positions, {"normal", "cosine"});
  at_least("init.std", init.std, 0.0);
  one_of("train.extend", train.extend, {"rescale", "constant"});
  one_of("train.changed_data", train.changed_data, {"error", "continue"});
  one_of("train.precision", train.precision, {"highest", "high", "tf32", "bf16"});
  const Device device = device_named("train.device", train.device);
  check(train.precision != "tf32" || device.kind == Device::cuda,
        "train.precision: tf32 is the GPU's (train.device = \"cuda\"); on the CPU choose highest, high or bf16");
  check(!train.cuda_graph || device.kind == Device::cuda, "train.cuda_graph needs train.device = \"cuda\"");
  one_of("objectives.masking", objectives.masking, {"official", "strict"});
  one_of("objectives.false_images", objectives.false_images, {"dataset", "batch"});
  check(objectives.mask_rate > 0 && objectives.mask_rate <= 1, "setting 'objectives.mask_rate' is ",
        objectives.mask_rate, ", expected more than 0 and at most 1");
  share("objectives.patch_mask_rate", objectives.patch_mask_rate);
  share("objectives.patch_replace_rate", objectives.patch_replace_rate);
  share("objectives.content_first", objectives.content_first);
  share("objectives.sibling_negatives", objectives.sibling_negatives);
  more_than_zero("objectives.ipot_beta", objectives.ipot_beta);
  between("objectives.ipot_iterations", objectives.ipot_iterations, 1, 1'000'000);
  at_least("objectives.mlm_weight", objectives.mlm_weight, 0.0);
  at_least("objectives.itm_weight", objectives.itm_weight, 0.0);
  at_least("objectives.wpa_weight", objectives.wpa_weight, 0.0);
  at_least("objectives.mpp_weight", objectives.mpp_weight, 0.0);
  check(objectives.mpp_weight == 0 || objectives.patch_mask_rate > 0,
        "setting 'objectives.patch_mask_rate' is 0, but 'objectives.mpp_weight' asks for masked patches");
  check(objectives.mlm_weight != 0 || objectives.itm_weight != 0 || objectives.wpa_weight != 0 ||
            objectives.mpp_weight != 0,
        "settings: every objective has weight 0; nothing would be trained");
  one_of("optimizer.variant", optimizer.variant, {"transformers", "torch"});
  at_least("optimizer.learning_rate", optimizer.learning_rate, 0.0);
  at_least("optimizer.end_learning_rate", optimizer.end_learning_rate, 0.0);
  beta("optimizer.beta1", optimizer.beta1);
  beta("optimizer.beta2", optimizer.beta2);
  more_than_zero("optimizer.eps", optimizer.eps);
  at_least("optimizer.weight_decay", optimizer.weight_decay, 0.0);
  at_least("optimizer.patch_projection_factor", optimizer.patch_projection_factor, 0.0);
  at_least("optimizer.head_factor", optimizer.head_factor, 0.0);
  share("optimizer.warmup", optimizer.warmup);
  more_than_zero("optimizer.power", optimizer.power);
  at_least("optimizer.clip", optimizer.clip, 0.0);
  share("train.curriculum", train.curriculum);
  at_least("train.steps", train.steps, int64_t{1});
  between("train.epochs", train.epochs, 0, 1'000'000);
  check(train.epochs == 0 || train.task != "pretraining", "setting 'train.epochs' is ", train.epochs,
        ", but pre-training counts steps ('train.steps')");
  between("downstream.least_answers", downstream.least_answers, 1, 1'000'000'000);
  between("downstream.false_texts", downstream.false_texts, 1, 10'000);
  share("downstream.sibling_negatives", downstream.sibling_negatives);
  between("train.batch_size", train.batch_size, 1, 1'000'000);
  between("train.accumulate", train.accumulate, 1, 1'000'000);
  check(train.batch_size % train.accumulate == 0, "setting 'train.batch_size' is ", train.batch_size,
        ", expected a multiple of 'train.accumulate' (", train.accumulate, ")");
  at_least("train.log_every", train.log_every, int64_t{1});
  at_least("train.evaluate_every", train.evaluate_every, int64_t{0});
  at_least("train.checkpoint_every", train.checkpoint_every, int64_t{0});
  between("train.tensorboard_pictures", train.tensorboard_pictures, 0, 1000);
  at_least("train.evaluate_samples", train.evaluate_samples, int64_t{0});
  at_least("train.test_samples", train.test_samples, int64_t{0});
  between("train.threads", train.threads, 0, 1024);
  check(!train.out.empty(), "setting 'train.out' is empty, expected a folder");
  const bool annotated = !data.annotations.empty();
  check(annotated || objectives.content_first == 0, "setting 'objectives.content_first' needs 'data.annotations'");
  check(annotated || objectives.sibling_negatives == 0,
        "setting 'objectives.sibling_negatives' needs 'data.annotations'");
  check(annotated || downstream.sibling_negatives == 0,
        "setting 'downstream.sibling_negatives' needs 'data.annotations'");
  check(annotated || data.unseen_group.empty(), "setting 'data.unseen_group' needs 'data.annotations'");
  check(annotated || train.curriculum == 0, "setting 'train.curriculum' needs 'data.annotations'");
  check(!train.curriculum_group.empty() || train.curriculum == 0,
        "setting 'train.curriculum' needs 'train.curriculum_group'");
  ModelConfig probe = model;
  probe.validate();
}

}  // namespace tessera
