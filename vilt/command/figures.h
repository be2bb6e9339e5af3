// Evaluations as a table for people.
#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "io/words.h"
#include "vilt/tasks/summary.h"

namespace tessera::command {

// One column per evaluation, one row per figure; "-" where a figure does not exist, no row where no column has one.
void print_figures(std::ostream& out, const std::vector<std::pair<std::string, const Evaluation*>>& columns);

// The same of a downstream task's figures.
void print_downstream(std::ostream& out, const std::vector<std::pair<std::string, NamedFigures>>& columns);

// "final figures": the blocks of a run's summary side by side, then parameters, steps and time.
void print_summary(std::ostream& out, const Summary& summary);

}  // namespace tessera::command
