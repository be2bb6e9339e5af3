#include "train/evaluation/task_summary.h"

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"

namespace tessera {

std::string summary_json(const TaskSummary& summary) {
  nlohmann::ordered_json out;
  out["task"] = summary.task;
  for (const auto& [name, figures] : summary.figures) out[name] = nlohmann::ordered_json::parse(figures_json(figures));
  out["train_seconds"] = summary.train_seconds;
  out["steps"] = summary.steps;
  out["parameters"] = summary.parameters;
  return out.dump(2) + "\n";
}

TaskSummary read_task_summary(const std::filesystem::path& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  const auto in = nlohmann::ordered_json::parse(bytes.begin(), bytes.end(), nullptr, false);
  check(in.is_object(), shown(path), ": not a JSON object");
  TaskSummary summary;
  try {
    summary.task = in.value("task", std::string());
    for (const auto& [name, block] : in.items()) {
      if (!block.is_object()) continue;
      for (const auto& [figure, value] : block.items())
        if (value.is_number()) summary.figures[name].emplace_back(figure, value.get<double>());
    }
    summary.train_seconds = in.at("train_seconds").get<double>();
    summary.steps = in.at("steps").get<int64_t>();
    summary.parameters = in.at("parameters").get<int64_t>();
  } catch (const nlohmann::json::exception& error) {
    fail(shown(path), ": ", error.what());
  }
  return summary;
}

std::string in_words(const NamedFigures& figures, size_t most) {
  std::string out;
  size_t told = 0;
  for (const auto& [name, value] : figures) {
    if (is_count(name) || told == most) continue;
    out += (told++ == 0 ? "" : ", ") + name + " " + fixed_text(value, 3);
  }
  return out;
}

}  // namespace tessera
