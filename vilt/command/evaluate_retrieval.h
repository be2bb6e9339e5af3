// The part of `vilt eval` that ranks.
#pragma once

#include "vilt/command/command.h"
#include "vilt/files/load_model.h"
#include "vilt/tasks/downstream.h"
#include "vilt/tasks/settings.h"

namespace tessera::command {

// The files that a task reads (vilt/command/evaluate.cpp).
Settings eval_settings(const EvalArguments& arguments, const DownstreamTask& task);

int eval_retrieval(const EvalArguments& arguments, const LoadedModel& model, const DownstreamTask& task);

// Error: an option of ranking, for a model that is evaluated otherwise.
void check_no_retrieval_options(const EvalArguments& arguments);

}  // namespace tessera::command
