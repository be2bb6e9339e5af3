#include "vilt/report/metric_line.h"

#include "io/files.h"
#include "tensor/error.h"

namespace tessera {

std::optional<MetricLine> parse_metric_line(std::string_view line) {
  using Json = nlohmann::ordered_json;
  constexpr int kDeepest = 16;  // readers go down by recursion
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) { return !(too_deep |= depth > kDeepest); };
  MetricLine out{Json::parse(line, watch, false)};
  if (too_deep || !out.object.is_object()) return {};
  const auto step = out.object.find("step");
  if (step == out.object.end() || !step->is_number_integer()) return {};
  out.step = step->get<int64_t>();
  const auto evaluation = out.object.find("evaluation");
  out.evaluates = evaluation != out.object.end() && evaluation->is_object();
  return out;
}

std::string LeftOutLines::words() const {
  if (count == 0) return "";
  if (count == 1) return text("line ", first, " is damaged and left out");
  return text(count, " lines are damaged and left out, the first is line ", first);
}

LeftOutLines for_each_metric_line(const std::filesystem::path& file, const std::function<void(MetricLine&&)>& handle) {
  LeftOutLines left_out;
  int64_t number = 0;
  for_each_line(file_pieces(file), [&](std::string_view line) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    if (auto row = parse_metric_line(line))
      handle(std::move(*row));
    else if (left_out.count++ == 0)
      left_out.first = number;
  });
  return left_out;
}

}  // namespace tessera
