// Checkpoints: directories `checkpoint-STEP` inside a run's directory, written beside and renamed, so that a reader, or
// a run that was killed at any moment, finds a whole one or none. Each holds
//
//   model.safetensors        Hugging Face's names and shapes
//   config.json              the model's configuration
//   preprocessor_config.json  how images are prepared
//   vocab.txt
//   optimizer.safetensors    both moments, by the names in memory
//   state.json               step, data cursor, seed, schedule, seconds, sums since the last logged step, and the run's
//                            settings as TOML
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "data/samples.h"
#include "nn/adamw.h"
#include "nn/schedule.h"
#include "vilt/tasks/learner.h"
#include "vilt/config.h"
#include "vilt/tasks/settings.h"

namespace tessera {

struct TrainingState {
  int64_t step = 0;          // updates made; also the data cursor: the next batch is that of this step
  double train_seconds = 0;  // spent in updates so far
  uint64_t seed = 0;
  PolynomialSchedule schedule;
  Interval interval;     // since the last logged step
  std::string settings;  // TOML
};

// Writes `checkpoint-STEP` into `run`, then removes older ones.
void save_checkpoint(const std::filesystem::path& run, const TrainingState& state, const ModelConfig& config,
                     const SampleOptions& preprocessing, const Wordpiece& vocabulary, const ParameterSet& parameters,
                     const AdamW& optimizer);

// Removes the checkpoints of `run`; killed in between, those that remain are whole.
void remove_checkpoints(const std::filesystem::path& run);

// The checkpoint with the highest step in `run`, if there is one.
std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& run);

TrainingState read_training_state(const std::filesystem::path& checkpoint);
// Strict; nothing is loaded when anything does not fit.
void load_checkpoint(const std::filesystem::path& checkpoint, const ModelConfig& config, ParameterSet& parameters,
                     AdamW& optimizer);

}  // namespace tessera
