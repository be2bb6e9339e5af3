// Settings by their dotted keys: read from TOML, changed by `section.key=value`, listed and written as TOML. A key that
// does not exist is an error that suggests the nearest one.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "train/settings/common_settings.h"

namespace tessera {

// Where a setting's value lies.
using SettingSlot = std::variant<std::string*, double*, int64_t*, bool*, std::vector<DataSetSettings>*>;
// In the order in which they are written; those of one section, what stands before the dot, follow one another.
using SettingSlots = std::vector<std::pair<std::string, SettingSlot>>;

// data.*, image.*, optimizer.*, train.*; what is given must outlive the slots.
SettingSlots slots_of(DataSettings& data);
SettingSlots slots_of(ImageSettings& image);
SettingSlots slots_of(OptimizerSettings& optimizer);
SettingSlots slots_of(TrainSettings& train);

// The slots but those of these keys: what a system has no use for is no setting of it.
SettingSlots without(SettingSlots slots, std::initializer_list<std::string_view> keys);
void append(SettingSlots& slots, SettingSlots more);

// Which system settings are of, where they are not ViLT's.
inline constexpr const char* kSystemKind = "system.kind";

// One text among the settings of a TOML source and of assignments after it, as far as it is there and a text: what
// decides which settings there are. What is wrong with it is told by the functions below.
std::string named_setting(const std::string& source, const std::string& origin,
                          const std::vector<std::string>& overrides, const std::string& key,
                          const std::string& otherwise);

// Errors begin with `origin` and tell line or key.
void read_settings(const SettingSlots& slots, const std::string& source, const std::string& origin);
// The same of those keys that have a slot; others are passed over.
void read_known_settings(const SettingSlots& slots, const std::string& source, const std::string& origin);
// Applies one `section.key=value`.
void set_setting(const SettingSlots& slots, const std::string& assignment);

// Every setting with its value as TOML.
using ListedSettings = std::vector<std::pair<std::string, std::string>>;
ListedSettings listed(const SettingSlots& slots);
std::string settings_toml(const ListedSettings& settings);
// All that a TOML source says, whatever the settings are for.
ListedSettings listed_in(const std::string& source, const std::string& origin);

}  // namespace tessera
