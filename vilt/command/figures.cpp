#include "vilt/command/figures.h"

#include <algorithm>
#include <functional>
#include <iomanip>
#include <set>
#include <sstream>

namespace tessera::command {
namespace {

constexpr int kTitleWidth = 42, kColumnWidth = 11;

struct Row {
  std::string title;
  std::function<Figure(const Evaluation&)> figure;
};

Row row(std::string title, Figure Evaluation::*figure) {
  return {std::move(title), [figure](const Evaluation& e) { return e.*figure; }};
}

Row by_kind(const std::string& kind, std::map<std::string, double> Evaluation::*figures) {
  return {"  " + kind, [kind, figures](const Evaluation& e) -> Figure {
            const auto found = (e.*figures).find(kind);
            return found == (e.*figures).end() ? std::nullopt : Figure(found->second);
          }};
}

using Columns = std::vector<std::pair<std::string, const Evaluation*>>;

void append_kinds(const Columns& columns, std::map<std::string, double> Evaluation::*figures, std::vector<Row>& rows) {
  std::set<std::string> kinds;
  for (const auto& [title, evaluation] : columns)
    for (const auto& [kind, value] : evaluation->*figures) kinds.insert(kind);
  for (const std::string& kind : kinds) rows.push_back(by_kind(kind, figures));
}

std::vector<Row> rows_of(const Columns& columns) {
  std::vector<Row> rows{row("matching, random false image", &Evaluation::itm_accuracy_random),
                        row("matching, sibling image", &Evaluation::itm_accuracy_hard)};
  append_kinds(columns, &Evaluation::itm_accuracy_hard_by_kind, rows);
  rows.push_back(row("masked content word", &Evaluation::mlm_accuracy_content));
  append_kinds(columns, &Evaluation::mlm_accuracy_content_by_kind, rows);
  rows.push_back(row("masked content word, wrong image", &Evaluation::mlm_accuracy_wrong_image));
  rows.push_back(row("attention points at the named object", &Evaluation::pointing_attention));
  size_t layers = 0;
  for (const auto& [title, evaluation] : columns)
    layers = std::max(layers, evaluation->pointing_attention_by_layer.size());
  for (size_t layer = 0; layer < layers; ++layer)
    rows.push_back({"  layer " + std::to_string(layer + 1), [layer](const Evaluation& e) -> Figure {
                      const auto& values = e.pointing_attention_by_layer;
                      return layer < values.size() ? Figure(values[layer]) : std::nullopt;
                    }});
  rows.push_back(row("own object above the other", &Evaluation::pointing_own_over_other));
  rows.push_back(row("transport plan points (beta 0.1)", &Evaluation::pointing_plan));
  rows.push_back(row("transport plan points (training setting)", &Evaluation::pointing_plan_training));
  rows.push_back(row("pointing by chance", &Evaluation::pointing_chance));
  rows.push_back(row("entropy of the attention (uniform: 1)", &Evaluation::attention_entropy));
  rows.push_back(row("entropy of the plan (uniform: 1)", &Evaluation::plan_entropy));
  return rows;
}

// A line for the pictures that are in no figure, where there are any.
void print_left_out(std::ostream& out, const Columns& columns) {
  if (std::ranges::all_of(columns, [](const auto& column) { return column.second->pictures_left_out == 0; })) return;
  out << std::left << std::setw(kTitleWidth) << kPicturesLeftOut << std::right;
  for (const auto& [title, evaluation] : columns) out << std::setw(kColumnWidth) << evaluation->pictures_left_out;
  out << '\n';
}

}  // namespace

void print_figures(std::ostream& out, const Columns& columns) {
  print_left_out(out, columns);
  for (const Row& row : rows_of(columns)) {
    std::ostringstream line;
    bool any = false;
    line << std::left << std::setw(kTitleWidth) << row.title << std::right;
    for (const auto& [title, evaluation] : columns) {
      const Figure value = row.figure(*evaluation);
      any = any || value;
      line << std::setw(kColumnWidth) << (value ? fixed_text(*value, 3) : "-");
    }
    if (any) out << line.str() << '\n';
  }
}

void print_downstream(std::ostream& out, const std::vector<std::pair<std::string, NamedFigures>>& columns) {
  std::vector<std::string> titles;
  for (const auto& [title, figures] : columns)
    for (const auto& [name, value] : figures)
      if (std::find(titles.begin(), titles.end(), name) == titles.end()) titles.push_back(name);
  for (const std::string& name : titles) {
    out << std::left << std::setw(kTitleWidth) << name << std::right;
    for (const auto& [title, figures] : columns) {
      const auto found =
          std::find_if(figures.begin(), figures.end(), [&](const auto& one) { return one.first == name; });
      out << std::setw(kColumnWidth)
          << (found == figures.end() ? "-" : fixed_text(found->second, is_count(name) ? 0 : 3));
    }
    out << '\n';
  }
}

void print_summary(std::ostream& out, const Summary& summary) {
  Columns columns;
  std::ostringstream header;
  header << std::left << std::setw(kTitleWidth) << "final figures" << std::right;
  for (const auto& [block, title] : {std::pair{"test", "test"}, std::pair{"test_unseen", "unseen"},
                                     std::pair{"untrained", "untrained"}, std::pair{"shuffled_caption", "shuffled"}})
    if (const auto found = summary.blocks.find(block); found != summary.blocks.end()) {
      columns.emplace_back(title, &found->second);
      header << std::setw(kColumnWidth) << title;
    }
  std::vector<std::pair<std::string, NamedFigures>> downstream;
  for (const auto& [block, title] : {std::pair{"test", "test"}, std::pair{"test_unseen", "unseen"},
                                     std::pair{"text_alone", "text alone"}, std::pair{"untrained", "untrained"}})
    if (const auto found = summary.figures.find(block); found != summary.figures.end()) {
      downstream.emplace_back(title, found->second);
      header << std::setw(kColumnWidth) << title;
    }
  out << header.str() << '\n';
  print_figures(out, columns);
  print_downstream(out, downstream);
  out << with_thousands(summary.parameters) << " parameters, " << with_thousands(summary.steps) << " steps, "
      << fixed_text(summary.train_seconds, 1) << " s of training\n";
}

}  // namespace tessera::command
