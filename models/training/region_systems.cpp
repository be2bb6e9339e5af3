#include "models/training/region_systems.h"

#include <memory>

namespace tessera {

SettingSlots RegionSettings::slots_of_regions() {
  return {{"regions.files", &files},
          {"regions.feature_scale", &feature_scale},
          {"regions.projection_factor", &projection_factor}};
}

SettingSlots RegionSettings::slots_of_model() { return {{"model.max_length", &max_length}}; }

SettingSlots RegionSettings::slots_of_init() {
  return {{"init.linear", &linear}, {"init.std", &std}, {"init.places", &places}};
}

SettingSlots RegionSettings::slots_of_objectives() {
  return {{"objectives.masking", &masking},
          {"objectives.mask_rate", &mask_rate},
          {"objectives.content_first", &content_first},
          {"objectives.region_mask_rate", &region_mask_rate},
          {"objectives.sibling_negatives", &sibling_negatives}};
}

void RegionSettings::validate() const {
  check(!files.empty(),
        "setting 'regions.files' is empty, expected the file, or a pattern or folder of files, in which a detector's "
        "regions of the pictures are");
  expect_above_zero("regions.feature_scale", feature_scale);
  expect_above_zero("regions.projection_factor", projection_factor);
  expect_one_of("objectives.masking", masking, {"tokens", "strict"});
  expect_share("objectives.mask_rate", mask_rate);
  check(masking == "tokens" || mask_rate > 0,
        "setting 'objectives.mask_rate' is 0, expected more than 0 with "
        "objectives.masking = \"strict\"");
  expect_share("objectives.content_first", content_first);
  check(masking == "strict" || content_first == 0,
        "setting 'objectives.content_first' needs objectives.masking = \"strict\"");
  expect_share("objectives.region_mask_rate", region_mask_rate);
  expect_share("objectives.sibling_negatives", sibling_negatives);
  expect_one_of("init.linear", linear, {"normal", "fan_in"});
  expect_above_zero("init.std", std);
  expect_one_of("init.places", places, {"drawn", "centred"});
  expect_at_least("model.max_length", max_length, int64_t{2});
}

RegionCollatorOptions region_collator_options(const SystemSettings& settings, const RegionSettings& own,
                                              const SampleSource& train) {
  RegionCollatorOptions options;
  static_cast<SamplerOptions&>(options) = sampler_options(settings, train);
  options.curriculum_group = settings.train.curriculum_group;
  options.accumulate = settings.train.accumulate;
  options.sibling_negatives = own.sibling_negatives;
  options.masking.word_rate = own.mask_rate;
  options.masking.whole_words = own.masking == "strict";
  options.masking.content_first = own.content_first;
  options.masking.region_rate = own.region_mask_rate;
  return options;
}

GroupFunction region_groups(const RegionSettings& own, const std::string& projection) {
  return [factor = own.projection_factor, projection](const std::string& name, const Variable& parameter) {
    ParameterGroup group = default_group(name, parameter);
    if (name.ends_with(projection)) group.learning_rate_multiplier = factor;
    return group;
  };
}

DrawnValues drawn_values(const SystemSettings& settings, const RegionSettings& own) {
  return {own.linear == "fan_in", own.std, static_cast<uint64_t>(settings.train.seed)};
}

OpenedRegions open_regions(const SystemSettings& settings, const RegionSettings& own) {
  const bool is_pattern = own.files.find_first_of("*?[{") != std::string::npos;
  check(is_pattern || std::filesystem::exists(own.files), shown(own.files),
        ": no such file or folder (setting 'regions.files'); `vilt regions extract` writes a detector's regions");
  const auto files = std::make_shared<const RegionFiles>(own.files);
  std::vector<std::string> folders;
  for (const DataSetSettings& set : settings.data.sets) folders.push_back(set.images);
  if (folders.empty()) folders.push_back(settings.data.images);
  OpenedRegions out;
  out.channels = files->features();
  out.classes = static_cast<int64_t>(files->classes().size());
  out.lookup = [files, folders, scale = static_cast<float>(own.feature_scale)](const DatasetImage& picture) {
    const auto number = [&] {
      for (const std::string& folder : folders)
        if (const auto found = files->find(region_name(picture.path(), folder))) return found;
      return std::optional<int64_t>();
    }();
    // Without a number: the error that it is not there.
    Regions regions = number ? files->read(*number) : files->read(region_name(picture.path(), folders.front()));
    if (scale == 1 || regions.count() == 0) return regions;
    std::vector<float> features = regions.features.to_vector<float>();
    for (float& value : features) value *= scale;
    regions.features = Tensor::from(features, regions.features.shape());
    return regions;
  };
  return out;
}

}  // namespace tessera
