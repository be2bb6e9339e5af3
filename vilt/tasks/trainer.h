// The training loop: from settings to a trained model, its metrics and its summary.
//
// The run's directory holds settings.toml, metrics.jsonl (one object per logged step), the newest checkpoint, and at
// the end summary.json. A run that was stopped continues from its checkpoint, bit for bit as if it had not been.
#pragma once

#include <functional>

#include "data/samples.h"
#include "train/training.h"
#include "vilt/heads.h"
#include "vilt/tasks/settings.h"
#include "vilt/tasks/summary.h"

namespace tessera {

struct TrainOptions : TrainingOptions {
  // Called at the end with the summary, before summary.json is written: writes the report.
  std::function<void(const Settings&, const Summary&, const ViltWithHeads& trained, const ViltWithHeads& untrained,
                     const SampleSource& test)>
      report;
};

// Trains until train.steps; evaluates; writes summary.json. Returns the summary; of a finished run without training.
Summary train(Settings settings, const TrainOptions& options);

}  // namespace tessera
