// Checkpoints: directories `checkpoint-STEP` inside a run's directory, written beside and renamed, so that a reader, or
// a run that was killed at any moment, finds a whole one or none. Each holds the files of the task, and
//
//   optimizer.safetensors    both moments, by the names in memory
//   state.json               step, data cursor, seed, schedule, seconds, sums since the last logged step, and the run's
//                            settings as TOML
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "nn/adamw.h"
#include "nn/schedule.h"
#include "train/figures.h"

namespace tessera {

struct TrainingState {
  int64_t step = 0;          // updates made; also the data cursor: the next batch is that of this step
  int64_t steps = 0;         // that the run is to have in all
  double train_seconds = 0;  // spent in updates so far
  uint64_t seed = 0;
  PolynomialSchedule schedule;
  std::map<std::string, std::string> data;  // by what it is known again; empty in older files
  Interval interval;                        // since the last logged step
  std::string settings;                     // TOML
};

// Writes `checkpoint-STEP` into `run`, then removes older ones. `save_model` writes the task's files into a folder.
void save_checkpoint(const std::filesystem::path& run, const TrainingState& state, const AdamW& optimizer,
                     const std::function<void(const std::filesystem::path& folder)>& save_model);

// Removes the checkpoints of `run`; killed in between, those that remain are whole.
void remove_checkpoints(const std::filesystem::path& run);

// The checkpoint with the highest step in `run`, if there is one.
std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& run);

// A loss of the table that the file does not have counts as not seen since the last logged step.
TrainingState read_training_state(const std::filesystem::path& checkpoint, const FigureTable& table);

// `open_model` checks that the task's files in the folder fit, and returns what loads them. Strict: nothing is loaded
// when anything does not fit.
void load_checkpoint(const std::filesystem::path& checkpoint, AdamW& optimizer,
                     const std::function<std::function<void()>(const std::filesystem::path& folder)>& open_model);

}  // namespace tessera
