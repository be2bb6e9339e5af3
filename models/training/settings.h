// What a training of a system beside ViLT can be told: what every training can (train/settings/common_settings.h), and
// the system's own options. In TOML the system is named first:
//
//   [system]
//   kind = "clip"
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/sampler.h"
#include "data/samples.h"
#include "io/files.h"
#include "io/printable.h"
#include "train/settings/setting_slots.h"

namespace tessera {

struct SystemSettings {
  std::string kind;
  DataSettings data;
  ImageSettings image;
  OptimizerSettings optimizer;
  TrainSettings train;
};

// What has a meaning for every system: system.kind, data.*, image.* but patches, optimizer.* but rates of parts of
// ViLT, train.* but tasks and weights to begin with. The order in files: system, data, image, `own`, optimizer, train.
SettingSlots slots_of(SystemSettings& settings, SettingSlots own);
// Throws for values that cannot be; `patch` is the least side of a picture.
void validate(const SystemSettings& settings, int64_t patch);

// How pictures and texts are prepared. `patch`: what sides of pictures are multiples of, in pixels; `max_length`:
// tokens of a text, as WordPiece counts them.
SampleOptions sample_options(const SystemSettings& settings, int64_t patch, int64_t max_length);
// How many captions a step has, and from where: with the curriculum's length and the weights of data.sets.
SamplerOptions sampler_options(const SystemSettings& settings, const SampleSource& train);
// Which captions a step has: of `train`, with the curriculum and the weights of data.sets.
Sampler system_sampler(const SystemSettings& settings, const SampleSource& train);

// A system says what its options are:
//   struct Options {
//     SettingSlots slots();                              "model.hidden_size" …
//     void validate(const SystemSettings&) const;
//     int64_t patch() const, max_length() const;         see sample_options
//     static void defaults(SystemSettings&);             of the shared settings, as published
//   };
template <class Options>
struct SettingsOf : SystemSettings {
  Options options;

  static SettingsOf from_toml(const std::filesystem::path& path, const std::vector<std::string>& overrides = {}) {
    const std::vector<uint8_t> bytes = read_file(path);
    return from_text({bytes.begin(), bytes.end()}, shown(path), overrides);
  }
  static SettingsOf from_text(const std::string& source, const std::string& origin,
                              const std::vector<std::string>& overrides = {}) {
    SettingsOf settings;
    Options::defaults(settings);
    read_settings(settings.slots(), source, origin);
    for (const std::string& assignment : overrides) set_setting(settings.slots(), assignment);
    settings.validate();
    return settings;
  }
  SettingSlots slots() { return slots_of(*this, options.slots()); }
  ListedSettings listed() const {
    SettingsOf copy = *this;
    return tessera::listed(copy.slots());
  }
  std::string to_toml() const { return settings_toml(listed()); }
  void validate() const {
    tessera::validate(*this, options.patch());
    options.validate(*this);
  }
};

}  // namespace tessera
