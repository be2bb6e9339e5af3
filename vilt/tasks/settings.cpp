#include "vilt/tasks/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <variant>

#include <toml++/toml.h>

#include "io/files.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Slot = std::variant<std::string*, double*, int64_t*, bool*>;

// Every setting by its dotted key, in the order in which they are written.
std::vector<std::pair<std::string, Slot>> slots(Settings& s) {
  auto& [data, image, model, init, objectives, optimizer, train] = s;
  return {
      {"data.captions", &data.captions},
      {"data.images", &data.images},
      {"data.annotations", &data.annotations},
      {"data.vocabulary", &data.vocabulary},
      {"data.train_split", &data.train_split},
      {"data.validation_split", &data.validation_split},
      {"data.test_split", &data.test_split},
      {"data.unseen_split", &data.unseen_split},
      {"data.unseen_group", &data.unseen_group},
      {"data.cache_bytes", &data.cache_bytes},
      {"data.workers", &data.workers},
      {"data.prefetch", &data.prefetch},
      {"data.max_bad_files", &data.max_bad_files},
      {"image.resize", &image.resize},
      {"image.shorter", &image.shorter},
      {"image.mean", &image.mean},
      {"image.std", &image.std},
      {"image.max_patches", &image.max_patches},
      {"image.augment", &image.augment},
      {"image.respect_orientation", &image.respect_orientation},
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
      {"train.task", &train.task},
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
      {"train.device", &train.device},
      {"train.cuda_graph", &train.cuda_graph},
      {"train.threads", &train.threads},
      {"train.out", &train.out},
      {"train.title", &train.title},
  };
}

// Levenshtein distance.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

Slot find_slot(Settings& settings, const std::string& key, const std::string& origin) {
  const auto all = slots(settings);
  std::string nearest;
  size_t best = std::string::npos;
  const std::string beginning = key.substr(0, 60);  // no setting is nearly as long
  for (const auto& [name, slot] : all) {
    if (name == key) return slot;
    // A key given without its section is compared with the last part too.
    const size_t d = std::min(distance(name, beginning), distance(name.substr(name.find('.') + 1), beginning));
    if (d < best) {
      best = d;
      nearest = name;
    }
  }
  fail(origin, ": unknown setting '", beginning, key.size() > beginning.size() ? "..." : "", "'; did you mean '",
       nearest, "'?");
}

void assign(const Slot& slot, const toml::node& value, const std::string& key, const std::string& origin) {
  const auto wrong = [&](const char* expected) {
    std::ostringstream got;
    value.visit([&](const auto& concrete) { got << concrete; });
    fail(origin, ": setting '", key, "' is ", got.str(), ", expected ", expected);
  };
  if (const auto* target = std::get_if<std::string*>(&slot)) {
    const auto v = value.value_exact<std::string>();
    if (!v) wrong("a string in quotes");
    **target = *v;
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

void assign_table(Settings& settings, const toml::table& table, const std::string& prefix, const std::string& origin) {
  for (const auto& [key, value] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* inner = value.as_table())
      assign_table(settings, *inner, name + ".", origin);
    else
      assign(find_slot(settings, name, origin), value, name, origin);
  }
}

// The shortest number that reads back as the same: 0.1, not 0.10000000000000001.
std::string shortest(double value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  const std::string number(digits.data(), end);
  return number.find_first_of(".e") == std::string::npos ? number + ".0" : number;
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

toml::table parse(const std::string& source, const std::string& origin) {
  check_depth(source, origin);
  try {
    return toml::parse(source);
  } catch (const toml::parse_error& error) {
    fail(origin, ": line ", error.source().begin.line, ": ", error.description());
  }
}

}  // namespace

Settings Settings::from_toml(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  const std::vector<uint8_t> bytes = read_file(path);
  return from_text({bytes.begin(), bytes.end()}, path.string(), overrides);
}

Settings Settings::from_text(const std::string& source, const std::string& origin,
                             const std::vector<std::string>& overrides) {
  Settings settings;
  assign_table(settings, parse(source, origin), "", origin);
  for (const std::string& override_ : overrides) settings.set(override_);
  settings.validate();
  return settings;
}

void Settings::set(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  check(equals != std::string::npos && equals > 0, "setting '", assignment, "': expected section.key=value");
  const std::string key = assignment.substr(0, equals), value = assignment.substr(equals + 1);
  const std::string origin = "setting '" + assignment + "'";
  const Slot slot = find_slot(*this, key, origin);
  if (const auto* target = std::get_if<std::string*>(&slot)) {  // the shell has taken the quotes away
    **target = value;
    return;
  }
  toml::table table;
  try {
    table = toml::parse("value = " + value);
  } catch (const toml::parse_error&) {
    table.insert("value", value);  // no number and no truth value: told as the text that it is
  }
  assign(slot, *table.get("value"), key, origin);
}

std::string Settings::to_toml() const {
  Settings copy = *this;
  std::ostringstream out;
  std::string section;
  for (const auto& [name, slot] : slots(copy)) {
    const size_t dot = name.find('.');
    if (name.substr(0, dot) != section) {
      out << (section.empty() ? "" : "\n");
      section = name.substr(0, dot);
      out << "[" << section << "]\n";
    }
    out << name.substr(dot + 1) << " = ";
    if (const auto* number = std::get_if<double*>(&slot))
      out << shortest(**number);
    else
      std::visit([&](const auto* value) { out << toml::value(*value); }, slot);
    out << "\n";
  }
  return out.str();
}

std::filesystem::path vocabulary_path(const Settings& settings) {
  if (!settings.data.vocabulary.empty()) return settings.data.vocabulary;
  return std::filesystem::path(settings.data.captions).parent_path() / "vocab.txt";
}

}  // namespace tessera
