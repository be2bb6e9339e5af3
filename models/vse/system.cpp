#include "models/vse/system.h"

#include <cmath>

#include "nn/precision.h"
#include "tensor/device.h"

namespace tessera {
namespace {

// He et al., 2016, table 1; 10: one block a stage.
struct Depth {
  int64_t number;
  bool bottleneck;
  std::vector<int64_t> layers;
};
const std::vector<Depth>& depths() {
  static const std::vector<Depth> all{{10, false, {1, 1, 1, 1}},  {18, false, {2, 2, 2, 2}},
                                      {34, false, {3, 4, 6, 3}},  {50, true, {3, 4, 6, 3}},
                                      {101, true, {3, 4, 23, 3}}, {152, true, {3, 8, 36, 3}}};
  return all;
}

VseTaskOptions task_options(const VseSystem::Settings& settings, const SampleSource& train) {
  const VseSystem::Options& from = settings.options;
  VseTaskOptions options;
  VseConfig& config = options.config;
  config.embed = from.embed;
  config.word_dim = from.word_dim;
  config.layers = from.layers;
  config.image_size = from.image_size;
  config.measure = from.measure == "order" ? VseMeasure::order : VseMeasure::cosine;
  config.normalise_images = !from.no_imgnorm;
  config.absolute = from.use_abs;
  for (const Depth& depth : depths())
    if (depth.number == from.resnet) config.cnn = ResNetOptions{.bottleneck = depth.bottleneck, .layers = depth.layers};
  const int64_t width = from.resnet_width;
  config.cnn->widths = {width, 2 * width, 4 * width, 8 * width};
  options.vocabulary = from.vocabulary;
  options.least_count = from.least_count;
  options.features = from.features;
  options.image_folder = settings.data.images;
  options.resnet = from.resnet_weights;
  options.train_resnet = from.train_resnet;
  options.margin = from.margin;
  options.hardest_from = std::llround(from.hardest_from * static_cast<double>(settings.train.steps));
  options.draws = pair_draw_options(settings, train);
  options.device = device_named("train.device", settings.train.device);
  use_precision(precision_named("train.precision", settings.train.precision), options.device);
  return options;
}

}  // namespace

SettingSlots VseSystem::Options::slots() {
  return {{"model.resnet", &resnet},
          {"model.resnet_width", &resnet_width},
          {"model.features", &features},
          {"model.resnet_weights", &resnet_weights},
          {"model.train_resnet", &train_resnet},
          {"model.image_size", &image_size},
          {"model.embed", &embed},
          {"model.word_dim", &word_dim},
          {"model.layers", &layers},
          {"model.measure", &measure},
          {"model.no_imgnorm", &no_imgnorm},
          {"model.use_abs", &use_abs},
          {"model.vocabulary", &vocabulary},
          {"model.least_count", &least_count},
          {"objectives.margin", &margin},
          {"objectives.hardest_from", &hardest_from}};
}

void VseSystem::Options::validate(const SystemSettings& settings) const {
  std::string known;
  bool is_known = false;
  for (const Depth& depth : depths()) {
    is_known |= depth.number == resnet;
    known += text(known.empty() ? "" : ", ", depth.number);
  }
  check(is_known, "setting 'model.resnet' is ", resnet, ", expected one of: ", known);
  check(features.empty() || resnet_weights.empty(),
        "settings 'model.features' and 'model.resnet_weights' are both there, expected one of them");
  check(features.empty() || settings.data.sets.empty(),
        "setting 'model.features' is for one data set, whose pictures are in data.images");
  expect_between("model.resnet_width", resnet_width, 1, 1 << 12);
  expect_between("model.image_size", image_size, 1, 1 << 14);
  expect_between("model.embed", embed, 1, 1 << 16);
  expect_between("model.word_dim", word_dim, 1, 1 << 16);
  expect_between("model.layers", layers, 1, 64);
  expect_one_of("model.measure", measure, {"cosine", "order"});
  expect_at_least("model.least_count", least_count, 1);
  expect_above_zero("objectives.margin", margin);
  expect_share("objectives.hardest_from", hardest_from);
  expect_at_least("train.batch_size", settings.train.batch_size, 2);
  check(settings.train.precision != "bf16",
        "setting 'train.precision' is 'bf16', which VSE++ has no use for; expected highest, high or tf32");
}

void VseSystem::Options::defaults(SystemSettings& settings) {
  settings.image.shorter = 224;
  settings.optimizer = {
      .variant = "torch", .learning_rate = 2e-4, .beta2 = 0.999, .weight_decay = 0, .warmup = 0, .clip = 2};
  settings.train.batch_size = 128;
  settings.train.out = "runs/vse";
}

VseSystem::Task::Task(const Settings& settings, const SystemData& data)
    : VseTask(task_options(settings, data.train), data.train, data.quarantine),
      resnet_weights_(settings.options.resnet_weights) {}

std::vector<std::string> VseSystem::Task::beginnings() const {
  std::vector<std::string> out{text("vocabulary of ", words().size(), " words")};
  if (!resnet_weights_.empty()) out.push_back("the residual network begins with " + shown(resnet_weights_));
  return out;
}

std::string VseSystem::described(const Settings& settings) {
  const double from = settings.options.hardest_from;
  return text("loss = hinges with a margin of ", settings.options.margin, " both ways",
              from > 0 ? text(", of all negatives in the first ", from, " of the steps") : "",
              from < 1 ? ", of the hardest negative of a step" : "");
}

}  // namespace tessera
