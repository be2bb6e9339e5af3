// What metrics.jsonl has, for TensorBoard: `tensorboard --logdir runs` shows it. One file in the run's directory,
// events.out.tfevents.SECONDS.tessera.
#pragma once

#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "io/event_file.h"

namespace tessera {

class TensorboardFile {
 public:
  // Opens the file of the run, or begins one. What comes after the step that a run continues from is dropped, and so is
  // what cannot be read any more.
  TensorboardFile(const std::filesystem::path& run, int64_t resume_step);
  // The numbers of a row of metrics.jsonl, by their names: of training as train/NAME, of an evaluation as
  // evaluation/NAME. Throws when they could not be written whole.
  void write(const std::string& row);
  // Those of an evaluation after this step.
  void write(int64_t step, std::span<const EventImage> pictures);

  static void remove(const std::filesystem::path& run);

 private:
  void append(const Event& event);

  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace tessera
