// What the training loop (train/run.h) asks of a task, beyond what an update needs: its batches, its evaluation and its
// files. A task is any type with these functions.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "io/event_file.h"
#include "train/learner.h"

namespace tessera {

// An evaluation during training.
struct Evaluated {
  std::string json;                       // the object for metrics.jsonl
  std::string words;                      // the same for a line of the log
  std::vector<EventImage> pictures = {};  // for TensorBoard
};

template <class T>
concept Task = Learnable<T> &&
    requires(T& task, const T& drawn_from, int64_t step, const std::filesystem::path& folder) {
  // The micro-batches of step `step`, counted from 0: a function of the number alone. Thread-safe.
  { drawn_from.step(step) } -> std::same_as<std::vector<typename T::Batch>>;
  { task.evaluate() } -> std::same_as<Evaluated>;
  // Writes the model's files into a checkpoint's folder; reads them again as load_checkpoint (train/checkpoint.h) says.
  task.save(folder);
  { task.open(folder) } -> std::same_as<std::function<void()>>;
  // How the data served, at the end of the log's last line: "; 3 images left out"; may be empty.
  { task.remarks() } -> std::convertible_to<std::string>;
};

}  // namespace tessera
