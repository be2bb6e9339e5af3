// Weights that a training begins with: setting train.init_from, a run, a directory of Hugging Face's or any file of
// weights that `vilt info` reads.
//
// The backbone has to be there whole, and with it come its sizes and the vocabulary. A head that the weights do not
// have, or have in another size, is new and begins as `initialise` draws it; one that the run does not ask for is left
// out. Only weights are taken: no moments, no step, no settings of training.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vilt/files/load_model.h"
#include "vilt/tasks/settings.h"

namespace tessera {

// Null without train.init_from. `report` is that of LoadOptions. Errors name the setting.
std::unique_ptr<LoadedModel> read_initial_weights(const Settings& settings,
                                                  const std::function<void(const std::string&)>& report = {});

// `own` with the sizes and the LayerNorms of `weights`; what concerns training (dropout) and the heads stay its own. A
// size of `own` that is neither the default nor the weights' is an error, as it was meant and cannot be had.
ModelConfig with_sizes_of(const ModelConfig& own, const ModelConfig& weights);

// The settings of the model that will be trained: with train.init_from its sizes are those of the run's checkpoint,
// where there is one (empty: none), else of `weights`.
Settings with_initial_sizes(Settings settings, const std::filesystem::path& checkpoint, const LoadedModel* weights);
// The same before a training, from the files.
Settings with_initial_sizes(Settings settings, bool fresh);

// Copies what both have. Returns a line for each thing that was taken, is new or is left out.
std::vector<std::string> begin_with(const LoadedModel& weights, ParameterSet& parameters, const ModelConfig& config);

// In what the pictures of the weights were prepared otherwise than the run's will be; "": in nothing.
std::string prepared_otherwise(const PictureOptions& of_weights, const PictureOptions& own);

// What a training began with, once more, for a drawn model: figures are compared with its. Returns a note, or "", where
// the weights are not there any more and it stays as it is drawn.
std::string begin_again(const Settings& settings, ParameterSet& parameters);

}  // namespace tessera
