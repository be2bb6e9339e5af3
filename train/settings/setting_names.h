// What was meant by a setting that does not exist.
#pragma once

#include <string>
#include <vector>

namespace tessera {

struct NearestSetting {
  std::string name;
  std::string remark;  // what to know of it; mostly empty
};

// By meaning, where other programs call it so (lr), then by the last part of the name in another section, then by
// Levenshtein distance. `names`: all settings, by their dotted keys.
NearestSetting nearest_setting(const std::string& key, const std::vector<std::string>& names);

}  // namespace tessera
