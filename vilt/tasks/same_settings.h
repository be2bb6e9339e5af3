// What a run that is continued may not change.
#pragma once

#include <filesystem>

#include "vilt/tasks/settings.h"

namespace tessera {

// Throws, listing the differences, unless the settings in the file `stored` (a run's settings.toml) and `current` agree
// in all that a run's results depend on, but that there may be more steps. A setting that the stored file does not
// have, because the run was begun before there was such, had its default.
void check_same_settings(const std::filesystem::path& stored, const Settings& current);

}  // namespace tessera
