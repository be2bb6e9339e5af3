// What `vilt zoo` is made of; models/zoo/ has the other systems and measures.
#pragma once

#include <string>
#include <vector>

#include "models/zoo/measure.h"

namespace tessera::command {

// ViLT-B/32, which models/ knows nothing of.
zoo::System zoo_vilt();

struct ZooResult {
  std::string machine;  // for people: processor, threads, instructions
  zoo::MeasureOptions options;
  std::vector<zoo::MeasuredSystem> systems;
  zoo::SuppressionTimes suppression;
};

std::string zoo_table(const ZooResult& result);
std::string zoo_json(const ZooResult& result);
// `command` made it. Pages are told by kZooMark.
inline constexpr char kZooMark[] = "Tessera: systems measured";
std::string zoo_page(const ZooResult& result, const std::string& command);

// The parameters as Table 6 counts them: all but those of the text's own part.
int64_t parameters_without_text(const zoo::MeasuredSystem& system);

}  // namespace tessera::command
