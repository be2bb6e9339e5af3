// The final figures: tiles and tables.
#include <set>
#include <string_view>

#include "report/html.h"
#include "vilt/report/report_parts.h"

namespace tessera {
namespace {

struct Column {
  const char* block;
  const char* title;
};
constexpr Column kColumns[] = {{"test", "test"},
                               {"test_unseen", "test, unseen"},
                               {"untrained", "untrained"},
                               {"shuffled_caption", "shuffled caption"}};

struct Row {
  Figure Evaluation::*figure;
  std::string_view name;  // in summary.json
  const char* title;
  const char* explanation;
  enum Chance { none, half, uniform_map, pointing } chance;
  bool is_share = true;
};

constexpr Row kRows[] = {
    {&Evaluation::itm_accuracy_random, "itm_accuracy_random", "Matching, random picture",
     "balanced accuracy: the caption with its picture, and with one of which it is not true", Row::half},
    {&Evaluation::itm_accuracy_hard, "itm_accuracy_hard", "Matching, sibling picture",
     "the false picture differs in one thing that the caption mentions", Row::half},
    {&Evaluation::mlm_accuracy_content, "mlm_accuracy_content", "Masked content word",
     "each masked alone; right when all its pieces are", Row::none},
    {&Evaluation::mlm_accuracy_wrong_image, "mlm_accuracy_wrong_image", "Masked content word, wrong picture",
     "the same with another picture: what the words alone give away", Row::none},
    {&Evaluation::pointing_attention, "pointing_attention", "Attention points at the named object",
     "last layer, mean over heads: the patch of largest weight has its centre in the box", Row::pointing},
    {&Evaluation::pointing_own_over_other, "pointing_own_over_other", "Own object above the other",
     "mean attention in the own box exceeds that in the other object's", Row::half},
    {&Evaluation::pointing_plan, "pointing_plan", "Transport plan points",
     "β 0.1, 1,000 iterations: nearly the exact plan", Row::pointing},
    {&Evaluation::pointing_plan_training, "pointing_plan_training", "Transport plan points, training setting",
     "the plan as the loss uses it", Row::pointing},
    {&Evaluation::attention_entropy, "attention_entropy", "Entropy of the attention",
     "of a noun's map: 1 is flat, 0 a single patch", Row::uniform_map, false},
    {&Evaluation::plan_entropy, "plan_entropy", "Entropy of the plan", "of a noun's row", Row::uniform_map, false},
    {&Evaluation::plan_training_entropy, "plan_training_entropy", "Entropy of the plan, training setting",
     "of a noun's row", Row::uniform_map, false},
};

Figure figure_of(const Summary& summary, const char* block, Figure Evaluation::*figure) {
  const Evaluation* found = summary_block(summary, block);
  return found ? found->*figure : std::nullopt;
}

std::string cell(const char* label, const std::string& value, const char* classes = "") {
  return text("<td", *classes ? text(" class=\"", classes, "\"") : "", " data-label=\"", label, "\">", value, "</td>");
}

Figure chance_of(const Summary& summary, Row::Chance chance) {
  if (chance == Row::half) return 0.5;
  if (chance == Row::uniform_map) return 1.0;
  if (chance == Row::pointing) return figure_of(summary, "test", &Evaluation::pointing_chance);
  return std::nullopt;
}

std::string head(const std::string& first, const std::vector<std::string>& columns) {
  std::string out = "<thead><tr><th scope=\"col\">" + first + "</th>";
  for (const std::string& column : columns) out += "<th scope=\"col\">" + column + "</th>";
  return out + "</tr></thead>";
}

std::string main_table(const Summary& summary) {
  std::vector<std::string> titles;
  for (const Column& column : kColumns) titles.push_back(column.title);
  titles.push_back("chance");
  std::string out = "<table class=\"figures\">" + head("", titles) + "<tbody>";
  for (const Row& row : kRows) {
    const auto shown = [&](Figure value) { return row.is_share ? percent(value) : fixed(value, 2); };
    bool measured = false;
    std::string cells;
    for (const Column& column : kColumns) {
      const Figure value = figure_of(summary, column.block, row.figure);
      measured = measured || value;
      cells += cell(column.title, shown(value), column.block == std::string("test") ? "result" : "");
    }
    if (!measured) continue;
    out += text("<tr><th scope=\"row\">", row.title, "<small>", row.explanation, "</small></th>", cells,
                cell("chance", shown(chance_of(summary, row.chance)), "chance"), "</tr>");
  }
  out += "<tr class=\"counts\"><th scope=\"row\">Captions<small>of the split that were evaluated</small></th>";
  for (const Column& column : kColumns) {
    const Evaluation* block = summary_block(summary, column.block);
    out += cell(column.title, block ? with_thousands(block->samples) : "–");
  }
  return out + cell("chance", "") + "</tr></tbody></table>\n";
}

using KindMap = std::map<std::string, double> Evaluation::*;

std::string kind_table(const Summary& summary, const char* title, const char* first, KindMap map) {
  std::set<std::string> kinds;
  std::vector<Column> columns;
  std::vector<std::string> titles;
  for (const Column& column : kColumns) {
    const Evaluation* block = summary_block(summary, column.block);
    if (!block || (block->*map).empty()) continue;
    columns.push_back(column);
    titles.push_back(column.title);
    for (const auto& [kind, value] : block->*map) kinds.insert(kind);
  }
  if (kinds.empty()) return "";
  std::string out = text("<div><h3>", title, "</h3><table>", head(first, titles), "<tbody>");
  for (const std::string& kind : kinds) {
    out += "<tr><th scope=\"row\">" + escape_html(kind) + "</th>";
    for (const Column& column : columns) {
      const auto& values = summary_block(summary, column.block)->*map;
      const auto found = values.find(kind);
      out += cell(column.title, percent(found == values.end() ? Figure() : Figure(found->second)));
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>\n";
}

std::string layer_table(const Summary& summary) {
  size_t layers = 0;
  std::vector<Column> columns;
  std::vector<std::string> titles;
  for (const Column& column : kColumns) {
    const Evaluation* block = summary_block(summary, column.block);
    if (!block || block->pointing_attention_by_layer.empty()) continue;
    columns.push_back(column);
    titles.push_back(column.title);
    layers = std::max(layers, block->pointing_attention_by_layer.size());
  }
  if (layers == 0) return "";
  std::string out =
      "<div><h3>Attention pointing, layer by layer</h3><p class=\"note\">The last layer is the one that counts, "
      "fixed beforehand.</p><table>" +
      head("layer", titles) + "<tbody>";
  for (size_t layer = 0; layer < layers; ++layer) {
    const bool chosen = layer + 1 == layers;
    out += text("<tr", chosen ? " class=\"chosen\"" : "", "><th scope=\"row\">", layer + 1, "</th>");
    for (const Column& column : columns) {
      const auto& values = summary_block(summary, column.block)->pointing_attention_by_layer;
      out += cell(column.title, percent(layer < values.size() ? Figure(values[layer]) : Figure()));
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace

const Evaluation* summary_block(const Summary& summary, const std::string& name) {
  const auto found = summary.blocks.find(name);
  return found == summary.blocks.end() ? nullptr : &found->second;
}

const char* pretraining_figure_title(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return row.title;
  return nullptr;
}

std::string tiles_html(const Summary& summary) {
  std::string out;
  for (const size_t index : {0, 1, 2, 4}) {
    const Row& row = kRows[index];
    const Figure value = figure_of(summary, "test", row.figure);
    if (!value) continue;
    const Figure chance = chance_of(summary, row.chance), untrained = figure_of(summary, "untrained", row.figure);
    const Figure wrong = index == 2 ? figure_of(summary, "test", &Evaluation::mlm_accuracy_wrong_image) : std::nullopt;
    std::string controls;
    const auto control = [&](const char* name, Figure figure) {
      if (figure) controls += text(controls.empty() ? "" : ", ", name, ' ', percent(figure));
    };
    control("chance", chance);
    control("wrong picture", wrong);
    control("untrained", untrained);
    out += text("<li><span class=\"name\">", row.title, "</span><span class=\"value\">", percent(value),
                "</span><span class=\"controls\">", controls, "</span></li>");
  }
  return out.empty() ? "" : "<ul class=\"tiles\">" + out + "</ul>\n";
}

std::string tables_html(const Summary& summary) {
  if (summary.blocks.empty()) return "";
  return "<p class=\"note\">Test: pictures and captions that were not trained on. Unseen: a "
         "second test split, of what occurs in no training picture. Untrained: the same model before its first step. "
         "Shuffled caption: another picture's caption, which is not true of the one it is shown with.</p>\n" +
         main_table(summary) + "<div class=\"side-by-side\">\n" +
         kind_table(summary, "Matching by what the sibling differs in", "difference",
                    &Evaluation::itm_accuracy_hard_by_kind) +
         kind_table(summary, "Masked words by kind", "kind", &Evaluation::mlm_accuracy_content_by_kind) +
         layer_table(summary) + "</div>\n";
}

}  // namespace tessera
