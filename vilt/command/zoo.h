// What `vilt zoo` is made of; models/zoo/ has the other systems and measures.
#pragma once

#include <string>
#include <vector>

#include "models/zoo/measure.h"

namespace tessera::command {

// ViLT-B/32, which models/ knows nothing of.
zoo::System zoo_vilt();

// A training that is done. Figures are of the test split; absent where it has none.
struct ZooRun {
  std::string name, system;
  int64_t parameters = 0;
  double train_seconds = 0;
  std::optional<double> random, sibling, words;
};
// Errors name a folder without summary.json, and a file that is none.
std::vector<ZooRun> read_zoo_runs(const std::vector<std::string>& folders);

struct ZooResult {
  std::string machine;  // for people: processor, threads, instructions
  zoo::MeasureOptions options;
  std::vector<zoo::MeasuredSystem> systems;
  zoo::SuppressionTimes suppression;
  std::vector<ZooRun> runs;
};

std::string zoo_table(const ZooResult& result);
std::string zoo_json(const ZooResult& result);
// `command` made it. Pages are told by kZooMark.
inline constexpr char kZooMark[] = "Tessera: systems measured";
std::string zoo_page(const ZooResult& result, const std::string& command);

// The parameters as Table 6 counts them: all but those of the text's own part.
int64_t parameters_without_text(const zoo::MeasuredSystem& system);

}  // namespace tessera::command
