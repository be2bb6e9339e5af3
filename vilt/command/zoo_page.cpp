// The page of `vilt zoo`: the paper's Figure 2 and Table 6, redrawn from what was measured.
#include <cmath>

#include "io/words.h"
#include "report/html.h"
#include "report/stacked_bars.h"
#include "vilt/command/zoo.h"
#include "vilt/report/report_page.h"

namespace tessera::command {
namespace {

using zoo::MeasuredPart;
using zoo::MeasuredSystem;
using zoo::Role;

struct Column {
  Precision precision;
  int64_t batch;
  std::string title() const {
    return text(precision == Precision::bf16   ? "bf16"
                : precision == Precision::high ? "high"
                                               : "f32",
                ", batch ", batch);
  }
};

std::vector<Column> columns_of(const ZooResult& result) {
  std::vector<Column> out;
  for (const Precision precision : result.options.precisions)
    for (const int64_t batch : result.options.batches) out.push_back({precision, batch});
  return out;
}

double of_pair(const MeasuredSystem& system, const Column& column, std::optional<Role> role = {}) {
  return system.milliseconds(column.precision, column.batch, role) / static_cast<double>(column.batch);
}

std::string time_text(double milliseconds) {
  return milliseconds >= 1000 ? with_thousands(std::llround(milliseconds)) : short_number(milliseconds);
}

std::string shares_chart(const ZooResult& result, const Column& column, bool shares) {
  StackedBars chart;
  chart.title = text(shares ? "Shares of the time" : "Milliseconds of one pair", " (", column.title(), ')');
  chart.note = shares ? "Right: picture, text, fusion" : "";
  chart.shares = shares;
  chart.unit = " ms";
  chart.series = {{"picture alone", 1, {}}, {"text alone", 2, {}}, {"fusion of both", 3, {}}};
  for (const MeasuredSystem& system : result.systems) {
    const double whole = of_pair(system, column);
    chart.rows.push_back(system.system.title);
    std::string end;
    for (const Role role : {Role::picture, Role::text, Role::fusion}) {
      const double value = of_pair(system, column, role);
      chart.series[static_cast<size_t>(role)].values.push_back(value);
      end += (end.empty() ? "" : " · ") + percent(value / whole, 1);
    }
    chart.ends.push_back(shares ? end : time_text(whole) + " ms");
  }
  return stacked_bars_html(chart);
}

std::string figure_section(const ZooResult& result) {
  std::string out =
      "<p>ViLT's paper sorts systems of pictures and texts by what they compute for the picture alone, for the text "
      "alone and for both together. Here that is time, measured; a pair is one picture with one text.</p>\n<div "
      "class=\"charts\">";
  const std::vector<Column> columns = columns_of(result);
  out += shares_chart(result, columns[0], false);
  for (const Column& column : columns) out += shares_chart(result, column, true);
  return out + "</div>\n";
}

std::string cell(const std::string& value, const char* class_name = "") {
  return text("<td", *class_name ? text(" class=\"", class_name, '"') : "", '>', value, "</td>");
}

std::string table(const std::vector<std::string>& head, const std::string& rows) {
  std::string out = "<div class=\"scroll\"><table class=\"compared\"><thead><tr>";
  for (const std::string& title : head) out += "<th scope=\"col\">" + title + "</th>";
  return out + "</tr></thead><tbody>\n" + rows + "</tbody></table></div>\n";
}

std::string giga(double count) { return short_number(count / 1e9, 4); }
std::string mega(int64_t count) { return short_number(static_cast<double>(count) / 1e6, 4); }

std::string table_section(const ZooResult& result) {
  std::vector<std::string> head{"System", "Tokens, picture + text", "Million parameters",
                                "paper",  "10⁹ multiply-adds",      "10⁹ FLOPs, paper"};
  for (const Column& column : columns_of(result)) head.push_back(text("ms, ", column.title()));
  head.emplace_back("ms, paper");
  std::string rows;
  for (const MeasuredSystem& system : result.systems) {
    const std::optional<zoo::Published>& published = system.system.published;
    const auto paper = [&](const std::string& value) { return cell(published ? value : "–", "chance"); };
    rows += text("<tr><th scope=\"row\">", escape_html(system.system.title), "<small>", escape_html(system.system.rule),
                 "; ", system.picture, "</small></th>", cell(escape_html(system.tokens)),
                 cell(mega(parameters_without_text(system))),
                 paper(published ? short_number(published->parameters, 4) : ""),
                 cell(giga(static_cast<double>(system.multiply_adds()))),
                 paper(published ? short_number(published->flops, 4) : ""));
    for (const Column& column : columns_of(result)) rows += cell(time_text(of_pair(system, column)), "result");
    rows += paper(published ? "~" + short_number(published->milliseconds) : "") + "</tr>\n";
  }
  return table(head, rows) +
         "<p class=\"note\">Parameters without those of the text's own part, as the paper has them. A multiply-add is "
         "two operations; what the paper's counter counts is not published, and neither number reproduces it for all "
         "systems. The paper's times are of a Xeon E5-2650 with a P40 GPU (Table 6); its detectors and tokens differ "
         "from those here in details.</p>\n";
}

std::string parts_section(const ZooResult& result) {
  std::vector<std::string> head{"Part", "Parameters", "Multiply-adds, 10⁹"};
  const std::vector<Column> columns = columns_of(result);
  for (const Column& column : columns) head.push_back(text("ms, ", column.title()));
  std::string out;
  for (const MeasuredSystem& system : result.systems) {
    std::string rows;
    for (const MeasuredPart& part : system.parts) {
      rows += text("<tr><th scope=\"row\">", escape_html(part.part.name), "<small>", zoo::name_of(part.part.role),
                   "</small></th>", cell(with_thousands(part.part.parameters)),
                   cell(giga(static_cast<double>(part.part.multiply_adds))));
      for (const Column& column : columns)
        for (const zoo::Timing& timing : part.timings)
          if (timing.precision == column.precision && timing.batch == column.batch)
            rows += cell(time_text(timing.milliseconds / static_cast<double>(column.batch)) +
                         (timing.in_f32 ? " (f32)" : ""));
      rows += "</tr>\n";
    }
    out += text("<h3>", escape_html(system.system.title), "</h3>\n", table(head, rows));
    if (system.system.published && !system.system.published->split.empty())
      out += text("<p class=\"note\">The paper, in ms: ", escape_html(system.system.published->split), ".</p>\n");
  }
  return out;
}

std::string suppression_section(const ZooResult& result) {
  const zoo::SuppressionTimes& nms = result.suppression;
  return text("<p>A detector's ", nms.boxes, " regions are suppressed once for each of ", with_thousands(nms.classes),
              " classes. As published, every class compares the boxes anew: <b>", time_text(nms.published_ms),
              " ms</b> for one picture. Overlaps do not depend on the class; found once and kept as bits, they leave "
              "each class its sort: <b>",
              time_text(nms.shared_ms), " ms</b>, and ", nms.equal ? "the same regions" : "NOT the same regions",
              ".</p>\n");
}

std::string runs_section(const ZooResult& result) {
  if (result.runs.empty()) return "";
  StackedBars chart;
  chart.title = "Seconds of training";
  chart.note = "Right: told apart from a sibling picture";
  chart.unit = " s";
  chart.series = {{"training", 1, {}}};
  std::string rows;
  for (const ZooRun& run : result.runs) {
    chart.rows.push_back(run.name);
    chart.ends.push_back(percent(run.sibling));
    chart.series[0].values.push_back(run.train_seconds);
    rows += text("<tr><th scope=\"row\">", escape_html(run.name), "<small>", escape_html(run.system), "</small></th>",
                 cell(with_thousands(run.parameters)), cell(fixed(run.train_seconds, 0)), cell(percent(run.random)),
                 cell(percent(run.sibling), "result"), cell(percent(run.words)), "</tr>\n");
  }
  return "<p>Small models, trained on scenes: what they have learnt of the test split, and in what time.</p>\n<div "
         "class=\"charts\">" +
         stacked_bars_html(chart) + "</div>\n" +
         table({"Run", "Parameters", "Seconds of training", "Matching, random picture", "Matching, sibling picture",
                "Masked words"},
               rows);
}

std::string method_section(const ZooResult& result) {
  return text(
      "<p>Weights are random, so no figure says anything of accuracy. Each part runs on what the parts before "
      "it have left: once uncounted, then ",
      result.options.repeat,
      " times, of which the median is shown; what takes over four seconds is measured once. Times are of a whole "
      "batch, "
      "divided by its pairs.</p>\n<p>A multiply-add of a matrix product or a convolution counts as 1, padding "
      "included; norms, activations, softmax, pooling and boxes are not counted. Systems on regions share one "
      "detector, measured once. Convolutions, the GRU and the detector have no arithmetic of bf16 on a CPU; "
      "their times in f32 stand in its columns.</p>\n");
}

}  // namespace

std::string zoo_page(const ZooResult& result, const std::string& command) {
  ReportPage page;
  page.generator = kZooMark;
  page.title = "Where the time goes";
  page.lead = "The systems of ViLT's paper with random weights at published sizes, measured part by part.";
  if (result.options.quick) page.lead = "Tiny systems, to try the command out: the figures mean nothing.";
  page.command = command;
  page.facts = text("<dl class=\"facts\"><div><dt>Machine</dt><dd>", escape_html(result.machine), "</dd></div></dl>\n");
  page.sections = {{"figure-2", "Figure 2", "Figure 2, redrawn", figure_section(result)},
                   {"table-6", "Table 6", "Table 6, redrawn", table_section(result)},
                   {"parts", "Parts", "Every part", parts_section(result)},
                   {"suppression", "Suppression", "Suppression by classes", suppression_section(result)},
                   {"runs", "Runs", "Accuracy against time", runs_section(result)},
                   {"method", "Method", "How it was measured", method_section(result)}};
  return page_html(page);
}

}  // namespace tessera::command
