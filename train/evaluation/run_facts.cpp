#include "train/evaluation/run_facts.h"

#include <nlohmann/json.hpp>

namespace tessera {

bool is_count(std::string_view figure) {
  return figure == "questions" || figure == "statements" || figure == "images" || figure == "texts" ||
         figure == "captions" || figure == "words" || figure == kPicturesLeftOut || figure.ends_with("median rank");
}

std::string figures_json(const NamedFigures& figures) {
  auto out = nlohmann::ordered_json::object();
  for (const auto& [name, value] : figures) out[name] = value;
  return out.dump(2);
}

}  // namespace tessera
