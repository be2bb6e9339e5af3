#include "train/settings/setting_slots.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <utility>

#include <toml++/toml.h>

#include "tensor/error.h"
#include "train/settings/setting_names.h"

namespace tessera {
namespace {

using DataSets = std::vector<DataSetSettings>;

// Errors begin with `origin`: of a file "FILE: ".
SettingSlot find_slot(const SettingSlots& slots, const std::string& key, const std::string& origin) {
  std::vector<std::string> names;
  for (const auto& [name, slot] : slots) {
    if (name == key) return slot;
    names.push_back(name);
  }
  const std::string beginning = key.substr(0, 60);  // no setting is nearly as long
  const NearestSetting meant = nearest_setting(beginning, names);
  fail(origin, "unknown setting '", beginning, key.size() > beginning.size() ? "..." : "", "'; did you mean '",
       meant.name, "'?", meant.remark.empty() ? "" : " (" + meant.remark + ")");
}

// The settings of one data set by their names in its table.
SettingSlots slots_of(DataSetSettings& set) {
  return {{"captions", &set.captions},
          {"images", &set.images},
          {"annotations", &set.annotations},
          {"kind", &set.kind},
          {"weight", &set.weight}};
}

void assign(const SettingSlot& slot, const toml::node& value, const std::string& key, const std::string& origin);

DataSets read_data_sets(const toml::node& value, const std::string& origin) {
  const toml::array* list = value.as_array();
  check(list != nullptr && (list->empty() || list->is_homogeneous(toml::node_type::table)), origin,
        "setting 'data.sets' is no list of tables, expected [{captions = \"...\", images = \"...\", weight = 1}, ...]");
  DataSets sets;
  for (const toml::node& entry : *list) {
    const std::string key = text("data.sets[", sets.size(), "].");
    auto known = slots_of(sets.emplace_back());
    for (const auto& field : *entry.as_table()) {
      const std::string name(field.first.str());
      const auto slot = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == name; });
      check(slot != known.end(), origin, "unknown setting '", key, name.substr(0, 60),
            "', expected captions, images, annotations, kind, weight");
      assign(slot->second, field.second, key + name, origin);
    }
  }
  return sets;
}

void assign(const SettingSlot& slot, const toml::node& value, const std::string& key, const std::string& origin) {
  const auto wrong = [&](const char* expected) {
    std::ostringstream got;
    value.visit([&](const auto& concrete) { got << concrete; });
    fail(origin, "setting '", key, "' is ", got.str(), ", expected ", expected);
  };
  if (const auto* target = std::get_if<std::string*>(&slot)) {
    const auto v = value.value_exact<std::string>();
    if (!v) wrong("a string in quotes");
    **target = *v;
  } else if (const auto* sets = std::get_if<DataSets*>(&slot)) {
    **sets = read_data_sets(value, origin);
  } else if (const auto* number = std::get_if<double*>(&slot)) {
    const auto v = value.is_number() ? value.value<double>() : std::nullopt;
    if (!v || !std::isfinite(*v)) wrong("a number");
    **number = *v;
  } else if (const auto* integer = std::get_if<int64_t*>(&slot)) {
    const auto v = value.value_exact<int64_t>();
    if (!v) wrong("a whole number");
    **integer = *v;
  } else {
    const auto v = value.value_exact<bool>();
    if (!v) wrong("true or false");
    *std::get<bool*>(slot) = *v;
  }
}

void assign_table(const SettingSlots& slots, const toml::table& table, const std::string& prefix,
                  const std::string& origin) {
  for (const auto& [key, value] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* inner = value.as_table())
      assign_table(slots, *inner, name + ".", origin);
    else
      assign(find_slot(slots, name, origin), value, name, origin);
  }
}

void list_table(const toml::table& table, const std::string& prefix, ListedSettings& out) {
  for (const auto& [key, value] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* inner = value.as_table()) {
      list_table(*inner, name + ".", out);
      continue;
    }
    std::ostringstream written;
    value.visit([&](const auto& concrete) { written << concrete; });
    out.emplace_back(name, written.str());
  }
}

// The shortest number that reads back as the same: 0.1, not 0.10000000000000001.
std::string shortest(double value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  const std::string number(digits.data(), end);
  return number.find_first_of(".e") == std::string::npos ? number + ".0" : number;
}

void write(std::ostream& out, const SettingSlot& slot) {
  if (const auto* number = std::get_if<double*>(&slot)) {
    out << shortest(**number);
  } else if (const auto* sets = std::get_if<DataSets*>(&slot)) {
    const char* before = "[";
    for (DataSetSettings& set : **sets) {
      out << before << "{";
      before = "";
      for (const auto& [name, field] : slots_of(set)) {
        out << std::exchange(before, ", ") << name << " = ";
        write(out, field);
      }
      out << "}";
    }
    out << ((*sets)->empty() ? "[]" : "]");
  } else if (const auto* integer = std::get_if<int64_t*>(&slot)) {
    out << toml::value(**integer);
  } else if (const auto* truth = std::get_if<bool*>(&slot)) {
    out << toml::value(**truth);
  } else {
    out << toml::value(**std::get_if<std::string*>(&slot));
  }
}

// a.b.c = 1 makes tables in tables, which toml++ builds and takes apart by recursion, as deep as there are dots.
void check_depth(const std::string& source, const std::string& origin) {
  constexpr int kDeepest = 100;
  int dots = 0, line = 1;
  char before = 0;
  for (const char c : source) {
    line += c == '\n';
    const bool in_a_row = c == '.' && before == '.';  // no key, but a line in a comment
    before = c;
    dots = in_a_row ? dots : c == '.' ? dots + 1 : c == '\n' || c == '=' || c == ',' || c == '{' ? 0 : dots;
    check(dots <= kDeepest, origin, ": line ", line, ": more than ", kDeepest, " dots");
  }
}

constexpr const char* kBeyond = "not representable in 64 bits";  // toml++'s words
constexpr const char* kTooLarge = "too large: expected a whole number from -9223372036854775808 to 9223372036854775807";

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

bool is_whole(const std::string& value) {
  const size_t digits = value.starts_with('-') || value.starts_with('+') ? 1 : 0;
  return value.size() > digits && value.find_first_not_of("0123456789", digits) == std::string::npos;
}

toml::table parse(const std::string& source, const std::string& origin) {
  check_depth(source, origin);
  try {
    return toml::parse(source);
  } catch (const toml::parse_error& error) {
    const std::string description(error.description());
    const bool too_large = description.find(kBeyond) != std::string::npos;
    fail(origin, ": line ", error.source().begin.line, ": ", description, too_large ? "; " : "",
         too_large ? kTooLarge : "");
  }
}

}  // namespace

SettingSlots slots_of(DataSettings& data) {
  return {
      {"data.sets", &data.sets},
      {"data.captions", &data.captions},
      {"data.validation_captions", &data.validation_captions},
      {"data.test_captions", &data.test_captions},
      {"data.unseen_captions", &data.unseen_captions},
      {"data.kind", &data.kind},
      {"data.images", &data.images},
      {"data.annotations", &data.annotations},
      {"data.vocabulary", &data.vocabulary},
      {"data.train_split", &data.train_split},
      {"data.validation_split", &data.validation_split},
      {"data.test_split", &data.test_split},
      {"data.unseen_split", &data.unseen_split},
      {"data.unseen_group", &data.unseen_group},
      {"data.shuffle_buffer", &data.shuffle_buffer},
      {"data.cache_bytes", &data.cache_bytes},
      {"data.workers", &data.workers},
      {"data.prefetch", &data.prefetch},
      {"data.max_bad_files", &data.max_bad_files},
  };
}

SettingSlots slots_of(ImageSettings& image) {
  return {
      {"image.resize", &image.resize},
      {"image.shorter", &image.shorter},
      {"image.mean", &image.mean},
      {"image.std", &image.std},
      {"image.max_patches", &image.max_patches},
      {"image.augment", &image.augment},
      {"image.respect_orientation", &image.respect_orientation},
  };
}

SettingSlots slots_of(OptimizerSettings& optimizer) {
  return {
      {"optimizer.variant", &optimizer.variant},
      {"optimizer.learning_rate", &optimizer.learning_rate},
      {"optimizer.beta1", &optimizer.beta1},
      {"optimizer.beta2", &optimizer.beta2},
      {"optimizer.eps", &optimizer.eps},
      {"optimizer.weight_decay", &optimizer.weight_decay},
      {"optimizer.patch_projection_factor", &optimizer.patch_projection_factor},
      {"optimizer.head_factor", &optimizer.head_factor},
      {"optimizer.warmup", &optimizer.warmup},
      {"optimizer.power", &optimizer.power},
      {"optimizer.end_learning_rate", &optimizer.end_learning_rate},
      {"optimizer.clip", &optimizer.clip},
  };
}

SettingSlots slots_of(TrainSettings& train) {
  return {
      {"train.task", &train.task},
      {"train.init_from", &train.init_from},
      {"train.epochs", &train.epochs},
      {"train.steps", &train.steps},
      {"train.test_samples", &train.test_samples},
      {"train.extend", &train.extend},
      {"train.changed_data", &train.changed_data},
      {"train.batch_size", &train.batch_size},
      {"train.accumulate", &train.accumulate},
      {"train.precision", &train.precision},
      {"train.checkpoint_blocks", &train.checkpoint_blocks},
      {"train.seed", &train.seed},
      {"train.curriculum", &train.curriculum},
      {"train.curriculum_group", &train.curriculum_group},
      {"train.log_every", &train.log_every},
      {"train.evaluate_every", &train.evaluate_every},
      {"train.checkpoint_every", &train.checkpoint_every},
      {"train.evaluate_samples", &train.evaluate_samples},
      {"train.tensorboard", &train.tensorboard},
      {"train.tensorboard_pictures", &train.tensorboard_pictures},
      {"train.device", &train.device},
      {"train.cuda_graph", &train.cuda_graph},
      {"train.threads", &train.threads},
      {"train.out", &train.out},
      {"train.title", &train.title},
  };
}

SettingSlots without(SettingSlots slots, std::initializer_list<std::string_view> keys) {
  std::erase_if(slots, [&](const auto& slot) { return std::find(keys.begin(), keys.end(), slot.first) != keys.end(); });
  return slots;
}

void append(SettingSlots& slots, SettingSlots more) {
  slots.insert(slots.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::string named_setting(const std::string& source, const std::string& origin,
                          const std::vector<std::string>& overrides, const std::string& key,
                          const std::string& otherwise) {
  std::string value = parse(source, origin).at_path(key).value_or(otherwise);
  for (const std::string& assignment : overrides) {
    const size_t equals = assignment.find('=');
    if (equals != std::string::npos && trimmed(assignment.substr(0, equals)) == key)
      value = trimmed(assignment.substr(equals + 1));
  }
  return value;
}

void read_settings(const SettingSlots& slots, const std::string& source, const std::string& origin) {
  assign_table(slots, parse(source, origin), "", origin + ": ");
}

void read_known_settings(const SettingSlots& slots, const std::string& source, const std::string& origin) {
  const toml::table table = parse(source, origin);
  for (const auto& [key, slot] : slots)
    if (const auto value = table.at_path(key)) assign(slot, *value.node(), key, origin + ": ");
}

void set_setting(const SettingSlots& slots, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  const std::string key = trimmed(assignment.substr(0, equals));
  check(equals != std::string::npos && !key.empty(), "setting '", assignment, "': expected section.key=value");
  const std::string value = trimmed(assignment.substr(equals + 1));
  const SettingSlot slot = find_slot(slots, key, "");
  if (const auto* target = std::get_if<std::string*>(&slot)) {  // the shell has taken the quotes away
    **target = value;
    return;
  }
  toml::table table;
  try {
    // A number of any size may stand for one with a fraction.
    table = toml::parse("value = " + value + (std::holds_alternative<double*>(slot) && is_whole(value) ? ".0" : ""));
  } catch (const toml::parse_error& error) {
    const bool large = std::string(error.description()).find(kBeyond) != std::string::npos;
    check(!large, "setting '", key, "' is ", value, ", which is ", kTooLarge);
    table.insert("value", value);  // no number and no truth value: told as the text that it is
  }
  assign(slot, *table.get("value"), key, "");
}

ListedSettings listed(const SettingSlots& slots) {
  ListedSettings out;
  for (const auto& [name, slot] : slots) {
    std::ostringstream value;
    write(value, slot);
    out.emplace_back(name, value.str());
  }
  return out;
}

ListedSettings listed_in(const std::string& source, const std::string& origin) {
  ListedSettings out;
  list_table(parse(source, origin), "", out);
  return out;
}

std::string settings_toml(const ListedSettings& settings) {
  std::string out, section;
  for (const auto& [name, value] : settings) {
    const size_t dot = name.find('.');
    if (name.substr(0, dot) != section) {
      if (!section.empty()) out += '\n';
      section = name.substr(0, dot);
      out += text('[', section, "]\n");
    }
    out += text(name.substr(dot + 1), " = ", value, '\n');
  }
  return out;
}

}  // namespace tessera
