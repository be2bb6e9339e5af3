#include "tests/golden/json.h"

namespace tessera::golden {

std::ifstream open_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  check(in.good(), path.string(), ": cannot be opened");
  return in;
}

nlohmann::json read_json(const std::filesystem::path& path) {
  std::ifstream in = open_file(path);
  return nlohmann::json::parse(in);
}

std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& path) {
  std::ifstream in = open_file(path);
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

}  // namespace tessera::golden
