// The systems that can be trained, by their names in settings.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "train/evaluation/task_summary.h"
#include "train/training.h"

namespace tessera {

// The system that a TOML file and assignments after it name as system.kind; "" where they name none: ViLT.
std::string system_named(const std::filesystem::path& config, const std::vector<std::string>& overrides);

// The settings of a run, checked. An error for a system that is not there names those that are.
struct SystemRun {
  std::filesystem::path out;
  std::string device;
};
SystemRun system_run(const std::filesystem::path& config, const std::vector<std::string>& overrides);

// All settings of a run as TOML, those that nobody has named with their defaults; checked.
std::string system_toml(const std::filesystem::path& config);

// Trains until train.steps; evaluates; writes summary.json.
TaskSummary train_system(const std::filesystem::path& config, const std::vector<std::string>& overrides,
                         const TrainingOptions& options);

}  // namespace tessera
