#include "models/regions/system.h"

#include "data/text/vocabulary.h"
#include "tensor/device.h"

namespace tessera {
namespace {

RegionsTaskOptions task_options(const SettingsOf<RegionsOptions>& settings) {
  RegionsTaskOptions out;
  out.model = settings.options.config();
  out.keys = settings.options.keys;
  out.batch_size = settings.train.batch_size;
  out.accumulate = settings.train.accumulate;
  out.batch_statistics = settings.options.batch_statistics;
  out.seed = static_cast<uint64_t>(settings.train.seed);
  out.device = device_named("train.device", settings.train.device);
  return out;
}

}  // namespace

SettingSlots RegionsOptions::slots() {
  return {{"regions.preset", &preset},
          {"regions.object", &keys.object},
          {"regions.attribute", &keys.attribute},
          {"regions.batch_statistics", &batch_statistics}};
}

void RegionsOptions::validate(const SystemSettings& settings) const {
  expect_one_of("regions.preset", preset, {"scenes", "resnet50_fpn", "resnet50_c4"});
  check(!keys.object.empty(), "setting 'regions.object' is empty, expected the annotated attribute that is the class");
  check(!settings.data.annotations.empty() || !settings.data.sets.empty(),
        "setting 'data.annotations' is empty, expected the file of the objects' boxes (annotations.jsonl)");
  check(settings.train.precision == "highest", "setting 'train.precision' is '", settings.train.precision,
        "', expected 'highest': boxes are computed in f32");
  check(settings.image.resize == "none", "setting 'image.resize' is '", settings.image.resize,
        "', expected 'none': the detector resizes pictures and boxes by its own rule");
  check(settings.train.curriculum == 0, "setting 'train.curriculum' is ", settings.train.curriculum,
        ", expected 0: pictures are drawn, not captions");
}

void RegionsOptions::defaults(SystemSettings& settings) {
  settings.image.resize = "none";
  settings.optimizer.clip = 10;
}

RegionsConfig RegionsOptions::config() const {
  if (preset == "scenes") return scenes_detector();
  RegionsConfig out;
  if (preset == "resnet50_fpn") return out;
  out.pyramid = false;
  out.anchor_sizes = {{32, 64, 128, 256, 512}};
  out.bins = 14;
  return out;
}

RegionsSystem::Task::Task(const SettingsOf<Options>& settings, const SystemData& data)
    : RegionsTask(task_options(settings), data.train, nullptr, &data.quarantine),
      keys_(settings.options.keys),
      vocabulary_(data.vocabulary) {}

std::vector<std::string> RegionsSystem::Task::beginnings() const {
  return {text("classes: ", labels().classes.size() - 1, " and background; attributes: ", labels().attributes.size())};
}

NamedFigures RegionsSystem::Task::evaluate(const SampleSource& source, const CaptionEvaluation& options) const {
  RegionEvaluationOptions chosen{.limit = options.choice.limit, .usable = options.choice.usable};
  if (options.tell) chosen.tell = [&](size_t done, size_t of) { options.tell("boxes", done, of); };
  const RegionEvaluation of = evaluate_regions(model(), labels(), keys_, source, chosen);
  NamedFigures out;
  if (of.pairs) out.emplace_back("ap50", *of.pairs);
  if (of.classes) out.emplace_back("ap50 classes", *of.classes);
  for (const auto& [name, value] : of.by_class) out.emplace_back("ap50/" + name, value);
  for (const auto& [name, value] : of.by_attribute) out.emplace_back("ap50/" + name, value);
  out.emplace_back("images", static_cast<double>(of.pictures));
  return out;
}

void RegionsSystem::Task::save(const std::filesystem::path& folder) const {
  RegionsTask::save(folder);
  write_vocabulary(folder / "vocab.txt", vocabulary_.tokens());
}

std::string RegionsSystem::described(const SettingsOf<Options>& settings) {
  return text("loss = objectness + proposal boxes + classes + boxes",
              settings.options.keys.attribute.empty() ? "" : " + 0.5 attributes");
}

}  // namespace tessera
