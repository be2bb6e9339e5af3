// What a run that is continued may not change.
#pragma once

#include <filesystem>
#include <string>

namespace tessera {

// Throws, listing the differences, unless `before` and `now`, settings as TOML, agree in all that the results of the
// run in `run` depend on.
void check_same_settings(const std::filesystem::path& run, const std::string& before, const std::string& now);

}  // namespace tessera
