// Reading the JSON files of golden directories.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tensor/error.h"

namespace tessera::golden {

std::ifstream open_file(const std::filesystem::path& path);
nlohmann::json read_json(const std::filesystem::path& path);
std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& path);

}  // namespace tessera::golden
