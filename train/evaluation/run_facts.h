// What is known of a training once it is done, whatever was trained.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

struct RunFacts {
  double train_seconds = 0;
  int64_t steps = 0, parameters = 0;
};

// Figures of a task by name, in the order in which they are shown; "questions", "statements", "images", "texts" and
// "pictures left out" are counts, ranks count from 1, everything else is a share.
using NamedFigures = std::vector<std::pair<std::string, double>>;
bool is_count(std::string_view figure);
// How many pictures could not be decoded, and are in none of the figures; absent where all could.
inline constexpr const char* kPicturesLeftOut = "pictures left out";
std::string figures_json(const NamedFigures& figures);

}  // namespace tessera
