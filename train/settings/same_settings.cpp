#include "train/settings/same_settings.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <vector>

#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"
#include "train/settings/setting_slots.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// The settings that may change between the parts of a run, since its parameters do not depend on them but for the order
// of sums (another device). `out` is where the run lies.
bool may_change(std::string_view key) {
  for (const std::string_view free : {"device",
                                      "cuda_graph",
                                      "threads",
                                      "workers",
                                      "prefetch",
                                      "cache_bytes",
                                      "log_every",
                                      "checkpoint_blocks",
                                      "checkpoint_every",
                                      "title",
                                      "extend",
                                      "test_samples",
                                      "changed_data",
                                      "out",
                                      "evaluate_every",
                                      "evaluate_samples",
                                      "max_bad_files",
                                      "vocabulary",
                                      "epochs",
                                      "tensorboard",
                                      "tensorboard_pictures"})
    if (key == free) return true;
  return false;
}

// Compared as places. The vocabulary is compared by what is in it, when the checkpoint is read.
bool is_path(std::string_view key) {
  return key.ends_with("captions") || key == "images" || key == "annotations" || key == "init_from";
}

struct Line {
  std::string words;  // "[train] steps = 9"
  std::string value;  // that is compared
};

// A path as the place that it means: 'run', './run/' and its absolute form are one.
std::string place(const std::string& quoted) {
  const std::string path = quoted.substr(1, quoted.size() - 2);
  if (path.empty()) return quoted;
  std::error_code error;
  fs::path found = fs::weakly_canonical(path, error);
  if (error) return quoted;
  if (!found.has_filename()) found = found.parent_path();
  return found.string();
}

std::vector<Line> binding_lines(const std::string& toml) {
  std::vector<Line> out;
  std::istringstream in(toml);
  for (std::string line, section; std::getline(in, line);) {
    const size_t equals = line.find(" = ");
    if (line.starts_with("[")) section = line;
    if (equals == std::string::npos) continue;
    const std::string key = line.substr(0, equals), value = line.substr(equals + 3);
    if (may_change(key)) continue;
    const std::string words = section + " " + line;
    const bool quoted = value.size() >= 2 && (value.front() == '"' || value.front() == '\'');
    out.push_back({words, is_path(key) && quoted ? section + " " + key + " = " + place(value) : words});
  }
  return out;
}

// A line for each of `lines` that `others` do not have.
std::string only_in(const std::vector<Line>& lines, const std::vector<Line>& others, const char* when) {
  std::string out;
  for (const Line& line : lines)
    if (std::none_of(others.begin(), others.end(), [&](const Line& other) { return other.value == line.value; }))
      out += when + line.words;
  return out;
}

}  // namespace

void check_same_system(const fs::path& run, const std::string& now) {
  const fs::path path = run / "settings.toml";
  const std::vector<uint8_t> bytes = read_file(path);
  const std::string before({bytes.begin(), bytes.end()});
  const auto system = [](const std::string& settings, const std::string& origin) {
    return named_setting(settings, origin, {}, kSystemKind, "vilt");
  };
  const std::string of_run = system(before, shown(path)), wanted = system(now, "settings");
  check(of_run == wanted, shown(run), ": holds a run of the system '", of_run, "', not of '", wanted,
        "'; use --fresh to start over or train.out=FOLDER for another place");
}

void check_same_settings(const fs::path& run, const std::string& before, const std::string& now) {
  const auto lines_before = binding_lines(before), lines_now = binding_lines(now);
  const std::string differences =
      only_in(lines_now, lines_before, "\n  now     ") + only_in(lines_before, lines_now, "\n  before  ");
  check(differences.empty(), shown(run),
        ": holds a run with other settings; use --fresh to start over or train.out=FOLDER for another place",
        differences);
}

}  // namespace tessera
