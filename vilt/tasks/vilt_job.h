// What the trainings of ViLT share as jobs (train/training.h).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vilt/tasks/initial_weights.h"
#include "vilt/tasks/summary.h"
#include "vilt/tasks/trainer.h"

namespace tessera {

class ViltJob {
 public:
  using Settings = tessera::Settings;
  using Summary = tessera::Summary;

  ViltJob(Settings settings, const TrainOptions& options)
      : settings_(std::move(settings)), options_(options), log_(options.log ? *options.log : std::cout) {}

  const Settings& settings() const { return settings_; }
  static std::string json(const Summary& summary) { return summary_json(summary); }
  static Summary read(const std::filesystem::path& path) { return read_summary(path); }
  static std::vector<std::string> own_files();

 protected:
  // Reads the weights to begin with, which decide sizes and vocabulary; at the first start alone.
  void read_weights(const std::optional<std::filesystem::path>& checkpoint);
  // Null without weights, in a run that goes on, and from drop_weights on.
  const LoadedModel* initial() const { return initial_.get(); }
  LoadedModel* initial() { return initial_.get(); }
  // The lines of what the task began with and of `notes`. The weights are not needed any more.
  std::vector<std::string> drop_weights(std::vector<std::string> beginnings, const std::vector<std::string>& notes);

  Settings settings_;
  const TrainOptions& options_;
  std::ostream& log_;

 private:
  std::unique_ptr<LoadedModel> initial_;
};

}  // namespace tessera
