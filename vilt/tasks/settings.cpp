#include "vilt/tasks/settings.h"

#include "io/files.h"
#include "io/printable.h"

namespace tessera {
namespace {

SettingSlots slots_of(Settings& s) {
  auto& [data, image, model, init, objectives, downstream, optimizer, train] = s;
  SettingSlots slots = tessera::slots_of(data);
  append(slots, tessera::slots_of(image));
  append(slots, {
                    {"model.hidden_size", &model.hidden_size},
                    {"model.num_hidden_layers", &model.num_hidden_layers},
                    {"model.num_attention_heads", &model.num_attention_heads},
                    {"model.intermediate_size", &model.intermediate_size},
                    {"model.image_size", &model.image_size},
                    {"model.patch_size", &model.patch_size},
                    {"model.max_position_embeddings", &model.max_position_embeddings},
                    {"model.hidden_dropout_prob", &model.hidden_dropout_prob},
                    {"model.layer_norm_eps", &model.layer_norm_eps},
                    {"model.tie_word_embeddings", &model.tie_word_embeddings},
                    {"init.linear", &init.linear},
                    {"init.std", &init.std},
                    {"init.positions", &init.positions},
                    {"objectives.mlm_weight", &objectives.mlm_weight},
                    {"objectives.itm_weight", &objectives.itm_weight},
                    {"objectives.wpa_weight", &objectives.wpa_weight},
                    {"objectives.mpp_weight", &objectives.mpp_weight},
                    {"objectives.patch_mask_rate", &objectives.patch_mask_rate},
                    {"objectives.patch_replace_rate", &objectives.patch_replace_rate},
                    {"objectives.ipot_beta", &objectives.ipot_beta},
                    {"objectives.ipot_iterations", &objectives.ipot_iterations},
                    {"objectives.masking", &objectives.masking},
                    {"objectives.mask_rate", &objectives.mask_rate},
                    {"objectives.content_first", &objectives.content_first},
                    {"objectives.sibling_negatives", &objectives.sibling_negatives},
                    {"objectives.false_images", &objectives.false_images},
                    {"downstream.least_answers", &downstream.least_answers},
                    {"downstream.false_texts", &downstream.false_texts},
                    {"downstream.sibling_negatives", &downstream.sibling_negatives},
                });
  append(slots, tessera::slots_of(optimizer));
  append(slots, tessera::slots_of(train));
  return slots;
}

}  // namespace

Settings Settings::from_toml(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  const std::vector<uint8_t> bytes = read_file(path);
  return from_text({bytes.begin(), bytes.end()}, shown(path), overrides);
}

Settings Settings::from_text(const std::string& source, const std::string& origin,
                             const std::vector<std::string>& overrides) {
  Settings settings = defaults_of(named_setting(source, origin, overrides, "train.task", Settings().train.task));
  read_settings(slots_of(settings), source, origin);
  for (const std::string& override_ : overrides) settings.set(override_);
  settings.validate();
  return settings;
}

void Settings::set(const std::string& assignment) { set_setting(slots_of(*this), assignment); }

ListedSettings Settings::listed() const {
  Settings copy = *this;
  return tessera::listed(slots_of(copy));
}

std::string Settings::to_toml() const { return settings_toml(listed()); }

}  // namespace tessera
