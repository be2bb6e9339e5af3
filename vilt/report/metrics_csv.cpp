#include "vilt/report/metrics_csv.h"

#include <map>
#include <vector>

#include "io/printable.h"
#include "tensor/error.h"
#include "vilt/report/metric_line.h"

namespace tessera {
namespace {

using JsonLine = nlohmann::ordered_json;

class Table {
 public:
  size_t column(const std::string& name) {
    const auto [place, is_new] = places_.emplace(name, columns_.size());
    if (is_new) columns_.push_back(name);
    return place->second;
  }
  const std::vector<std::string>& columns() const { return columns_; }

 private:
  std::vector<std::string> columns_;
  std::map<std::string, size_t> places_;
};

struct CsvRow {
  std::map<size_t, std::string> cells;
  bool trained = false;
};
using Rows = std::map<int64_t, CsvRow>;

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string out = "\"";
  for (const char c : cell) {
    if (c == '"') out += c;
    out += c;
  }
  return out + '"';
}

// `overwrite`: what an evaluation says beside its figures (seconds) does not replace what training said of the step.
void add_cells(const JsonLine& value, const std::string& name, bool overwrite, Table& table, CsvRow& row) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) add_cells(inner, name + "/" + key, true, table, row);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) add_cells(value[i], text(name, "/", i + 1), true, table, row);
  } else if (value.is_number() || value.is_null()) {
    std::string& cell = row.cells[table.column(name)];
    if (overwrite || cell.empty()) cell = value.is_null() ? "" : value.dump();
  }
}

void add_csv_line(const MetricLine& line, Table& table, Rows& rows) {
  // A resumed run goes back: what was logged after its checkpoint is logged again.
  rows.erase(rows.upper_bound(line.step), rows.end());
  CsvRow& row = rows[line.step];
  if (!line.evaluates && row.trained) row = {};
  row.trained = row.trained || !line.evaluates;
  for (const auto& [name, value] : line.object.items())
    if (name != "step") add_cells(value, name, !line.evaluates, table, row);
}

}  // namespace

std::string metrics_csv(std::span<const std::filesystem::path> runs,
                        const std::function<void(const std::string& remark)>& remark) {
  Table table;
  std::vector<Rows> of_runs;
  for (const std::filesystem::path& run : runs) {
    const std::filesystem::path file = run / "metrics.jsonl";
    check(std::filesystem::exists(file), shown(file),
          ": no such file; expected the folder of a run that has logged figures");
    Rows& rows = of_runs.emplace_back();
    const LeftOutLines left_out =
        for_each_metric_line(file, [&](MetricLine&& line) { add_csv_line(line, table, rows); });
    if (remark && left_out.count > 0) remark(shown(file) + ": " + left_out.words());
  }
  std::string out = runs.size() > 1 ? "run,step" : "step";
  for (const std::string& column : table.columns()) out += "," + csv_cell(column);
  out += "\r\n";
  for (size_t i = 0; i < runs.size(); ++i) {
    for (const auto& [step, row] : of_runs[i]) {
      if (runs.size() > 1) out += csv_cell(runs[i].string()) + ",";
      out += std::to_string(step);
      for (size_t column = 0; column < table.columns().size(); ++column) {
        const auto cell = row.cells.find(column);
        out += "," + (cell == row.cells.end() ? "" : cell->second);
      }
      out += "\r\n";
    }
  }
  return out;
}

}  // namespace tessera
