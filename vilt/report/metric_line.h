// A line of metrics.jsonl as the trainer writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

namespace tessera {

struct MetricLine {
  nlohmann::ordered_json object;
  int64_t step = 0;
  bool evaluates = false;  // it has an evaluation's figures in `evaluation`
};

// Nothing where it is no JSON object with a step: the last line of a killed run may be cut off.
inline std::optional<MetricLine> parse_metric_line(std::string_view line) {
  MetricLine out{nlohmann::ordered_json::parse(line, nullptr, false)};
  if (!out.object.is_object()) return {};
  const auto step = out.object.find("step");
  if (step == out.object.end() || !step->is_number_integer()) return {};
  out.step = step->get<int64_t>();
  const auto evaluation = out.object.find("evaluation");
  out.evaluates = evaluation != out.object.end() && evaluation->is_object();
  return out;
}

}  // namespace tessera
