// metrics.jsonl, line by line, as the trainer writes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace tessera {

struct MetricLine {
  nlohmann::ordered_json object;
  int64_t step = 0;
  bool evaluates = false;  // it has an evaluation's figures in `evaluation`
};

// Nothing where it is no JSON object with a step (the last line of a killed run may be cut off), or has values more
// than 16 deep in one another.
std::optional<MetricLine> parse_metric_line(std::string_view line);

// Lines that are no rows. Empty ones are nobody's loss and do not count.
struct LeftOutLines {
  int64_t count = 0, first = 0;  // the first one's number, from 1

  // "2 lines are damaged and left out, the first is line 7"; empty: there are none.
  std::string words() const;
};

// Gives the rows in the order of the file.
LeftOutLines for_each_metric_line(const std::filesystem::path& file, const std::function<void(MetricLine&&)>& handle);

}  // namespace tessera
