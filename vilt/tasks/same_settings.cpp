#include "vilt/tasks/same_settings.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include "tensor/error.h"
#include "vilt/tasks/settings.h"

namespace tessera {
namespace {

// The settings that may change between the parts of a run, since no result depends on them but
// for the order of sums (another device).
bool may_change(const std::string& line) {
  for (const char* key : {"device", "cuda_graph", "threads", "workers", "prefetch", "cache_bytes", "log_every",
                          "checkpoint_blocks", "checkpoint_every", "title"})
    if (line.starts_with(std::string(key) + " = ")) return true;
  return false;
}

std::vector<std::string> binding_lines(const std::string& toml) {
  std::vector<std::string> out;
  std::istringstream in(toml);
  for (std::string line, section; std::getline(in, line);) {
    if (line.starts_with("["))
      section = line;
    else if (!line.empty() && !may_change(line))
      out.push_back(section + " " + line);
  }
  return out;
}

}  // namespace

void check_same_settings(const std::filesystem::path& stored, const std::string& current) {
  const auto before = binding_lines(Settings::from_toml(stored).to_toml()), now = binding_lines(current);
  std::string differences;
  for (const std::string& line : now)
    if (std::find(before.begin(), before.end(), line) == before.end()) differences += "\n  now     " + line;
  for (const std::string& line : before)
    if (std::find(now.begin(), now.end(), line) == now.end()) differences += "\n  before  " + line;
  check(differences.empty(), stored.parent_path().string(),
        ": holds a run with other settings; use --fresh to start over or train.out=FOLDER for another place",
        differences);
}

}  // namespace tessera
