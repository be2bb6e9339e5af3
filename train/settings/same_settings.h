// What a run that is continued may not change.
#pragma once

#include <filesystem>
#include <string>

namespace tessera {

// Throws unless the run in `run` is of the system whose settings `now`, TOML, are: another's cannot be read as such.
void check_same_system(const std::filesystem::path& run, const std::string& now);

// Throws, listing the differences, unless `before` and `now`, settings as TOML, agree in all that the results of the
// run in `run` depend on.
void check_same_settings(const std::filesystem::path& run, const std::string& before, const std::string& now);

}  // namespace tessera
