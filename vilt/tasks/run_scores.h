// A run that is fine-tuned for retrieval keeps the scores of its test pictures with its test texts, from which figures
// and report are made: a file in its folder (vilt/ranking/score_file.h). An evaluation at the end that was interrupted
// goes on there, and a report that is written once more ranks nothing again.
#pragma once

#include <filesystem>
#include <string>

#include "nn/parameter.h"
#include "vilt/tasks/retrieval_evaluation.h"
#include "vilt/tasks/settings.h"

namespace tessera {

std::filesystem::path run_scores(const std::filesystem::path& run);

// "sha256 …" of names, shapes and values.
std::string weights_hash(const ParameterSet& parameters);

// The file of `run` is gone on with where it is of these weights, pictures and texts, and replaced where it is not.
void keep_scores(const std::filesystem::path& run, const Settings& settings, const ParameterSet& parameters,
                 RetrievalOptions& options);

}  // namespace tessera
