// The words of a run.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "vilt/files/load_model.h"
#include "vilt/tasks/settings.h"

namespace tessera {

// data.vocabulary; else that of the run's checkpoint where the run began with weights or made its own; else that of the
// weights to begin with, whose tokens have no other numbers; else that beside the captions; else what `make` makes (an
// error without it). Sets settings.model.vocab_size.
std::unique_ptr<Wordpiece> open_run_vocabulary(Settings& settings,
                                               const std::optional<std::filesystem::path>& checkpoint,
                                               LoadedModel* initial, const std::function<Wordpiece()>& make = {});

}  // namespace tessera
