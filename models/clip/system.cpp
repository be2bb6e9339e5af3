#include "models/clip/system.h"

#include "io/words.h"
#include "nn/precision.h"
#include "tensor/device.h"

namespace tessera {
namespace {

ClipTower tower(int64_t size, int64_t layers, int64_t heads, const std::string& activation) {
  return {.hidden_size = size,
          .intermediate_size = 4 * size,
          .num_hidden_layers = layers,
          .num_attention_heads = heads,
          .hidden_act = activation == "gelu" ? Activation::gelu : Activation::quick_gelu};
}

ClipTaskOptions task_options(const ClipSystem::Settings& settings, const SampleSource& train) {
  const ClipSystem::Options& from = settings.options;
  ClipTaskOptions options;
  options.config.vision = tower(from.vision_size, from.vision_layers, from.vision_heads, from.activation);
  options.config.text = tower(from.text_size, from.text_layers, from.text_heads, from.activation);
  options.config.image_size = from.image_size;
  options.config.patch_size = from.patch_size;
  options.config.max_position_embeddings = from.max_position_embeddings;
  options.config.projection_dim = from.projection_size;
  options.init = from.init == "fan_in" ? ClipInit::fan_in : ClipInit::published;
  options.vocabulary = from.vocabulary;
  options.vocab_size = from.vocab_size;
  options.patch_projection_factor = from.patch_projection_factor;
  options.draws = pair_draw_options(settings, train);
  options.device = device_named("train.device", settings.train.device);
  options.activations = use_precision(precision_named("train.precision", settings.train.precision), options.device);
  return options;
}

}  // namespace

SettingSlots ClipSystem::Options::slots() {
  return {{"model.vision_size", &vision_size},
          {"model.vision_layers", &vision_layers},
          {"model.vision_heads", &vision_heads},
          {"model.text_size", &text_size},
          {"model.text_layers", &text_layers},
          {"model.text_heads", &text_heads},
          {"model.projection_size", &projection_size},
          {"model.patch_size", &patch_size},
          {"model.image_size", &image_size},
          {"model.max_position_embeddings", &max_position_embeddings},
          {"model.activation", &activation},
          {"model.init", &init},
          {"model.vocabulary", &vocabulary},
          {"model.vocab_size", &vocab_size},
          {"model.patch_projection_factor", &patch_projection_factor}};
}

void ClipSystem::Options::validate(const SystemSettings& settings) const {
  constexpr int64_t kLargest = 1 << 16;
  for (const auto& [key, value] : {std::pair{"model.vision_size", vision_size},
                                   {"model.vision_layers", vision_layers},
                                   {"model.vision_heads", vision_heads},
                                   {"model.text_size", text_size},
                                   {"model.text_layers", text_layers},
                                   {"model.text_heads", text_heads},
                                   {"model.projection_size", projection_size},
                                   {"model.patch_size", patch_size},
                                   {"model.image_size", image_size}})
    expect_between(key, value, 1, kLargest);
  expect_between("model.max_position_embeddings", max_position_embeddings, 3, kLargest);
  check(vision_size % vision_heads == 0, "setting 'model.vision_heads' is ", vision_heads, ", which does not divide ",
        vision_size, " (model.vision_size)");
  check(text_size % text_heads == 0, "setting 'model.text_heads' is ", text_heads, ", which does not divide ",
        text_size, " (model.text_size)");
  check(image_size >= patch_size, "setting 'model.image_size' is ", image_size, ", expected a patch of ", patch_size,
        " or more");
  expect_one_of("model.activation", activation, {"quick_gelu", "gelu"});
  expect_one_of("model.init", init, {"published", "fan_in"});
  // 512 tokens of bytes, start and end.
  expect_between("model.vocab_size", vocab_size, 514, int64_t{1} << 20);
  expect_above_zero("model.patch_projection_factor", patch_projection_factor);
  expect_at_least("train.batch_size", settings.train.batch_size, 2);
}

void ClipSystem::Options::defaults(SystemSettings& settings) {
  settings.image.shorter = 224;
  settings.optimizer = {.variant = "torch", .learning_rate = 5e-4, .eps = 1e-6, .weight_decay = 0.2};
  settings.train.out = "runs/clip";
}

ClipSystem::Task::Task(const Settings& settings, const SystemData& data)
    : ClipTask(task_options(settings, data.train), data.train, data.quarantine),
      activations_(activations_of(precision_named("train.precision", settings.train.precision))) {}

std::vector<std::string> ClipSystem::Task::beginnings() const {
  return {text("byte pairs: ", vocabulary().size(), " tokens")};
}

std::string ClipSystem::described(const Settings& settings) {
  return text(
      "loss = contrastive, each picture with its caption against the ", settings.train.batch_size - 1,
      " others of its step, and the other way round",
      settings.train.accumulate > 1 ? text(", in ", settings.train.accumulate, " micro-batches of two passes") : "");
}

}  // namespace tessera
