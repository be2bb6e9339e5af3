#include "vilt/report/report.h"

#include "io/files.h"
#include "report/html.h"
#include "vilt/objectives.h"
#include "vilt/report/report_parts.h"
#include "vilt/tasks/pretraining.h"

namespace tessera {
namespace {

std::string title_of(const Settings& settings) {
  if (!settings.train.title.empty()) return settings.train.title;
  return "ViLT: " + std::filesystem::path(settings.train.out).filename().string();
}

std::string section(const char* id, const char* title, const std::string& body) {
  if (body.empty()) return "";
  return text("<section id=\"", id, "\">\n<h2>", title, "</h2>\n", body, "</section>\n");
}

std::string navigation(const std::string& page) {
  std::string out = "<nav>";
  for (const auto& [id, name] : {std::pair{"curves", "Curves"},
                                 {"figures", "Figures"},
                                 {"findings", "Findings"},
                                 {"words", "Masked words"},
                                 {"maps", "Maps"},
                                 {"settings", "Settings"}})
    if (page.find(text("<section id=\"", id, "\"")) != std::string::npos)
      out += text("<a href=\"#", id, "\">", name, "</a> ");
  return out + "</nav>";
}

std::string settings_html(const ReportInputs& inputs) {
  return text("<p>The run is reproduced by</p>\n<pre class=\"command\">", escape_html(inputs.command),
              "</pre>\n<details><summary>All settings of the run</summary><pre>",
              escape_html(inputs.settings.to_toml()), "</pre></details>\n");
}

// Pictures that sections share, and the filter that takes their colour away below a map.
std::string symbols_svg(const std::vector<ReportPair>& pairs) {
  std::string out =
      "<svg class=\"symbols\" aria-hidden=\"true\"><filter id=\"grey\"><feColorMatrix type=\"saturate\" "
      "values=\"0\"/></filter>\n";
  for (const ReportPair& pair : pairs) out += picture_symbol(pair.picture, pair.resized->image);
  return out + "</svg>\n";
}

}  // namespace

std::string facts_html(const ReportInputs& inputs) {
  const Settings& settings = inputs.settings;
  const ModelConfig& model = inputs.trained.vilt.config;
  std::string out = "<dl class=\"facts\">";
  const auto fact = [&](const char* name, const std::string& value) {
    out += text("<div><dt>", name, "</dt><dd>", escape_html(value), "</dd></div>");
  };
  fact("Model", text(model.num_hidden_layers, " layers, width ", model.hidden_size, ", ", model.num_attention_heads,
                     " heads, patches of ", model.patch_size, " × ", model.patch_size));
  fact("Parameters", with_thousands(inputs.summary.parameters));
  fact("Vocabulary", with_thousands(static_cast<int64_t>(inputs.source.vocabulary().size())) + " word pieces");
  fact("Steps", text(with_thousands(inputs.summary.steps), " of ", settings.train.batch_size, " pairs"));
  fact("Training time", duration(inputs.summary.train_seconds));
  fact("Precision", settings.train.precision);
  fact("Device", settings.train.device);
  fact("Seed", std::to_string(settings.train.seed));
  fact("Objective", loss_equation(objective_options(settings)));
  return out + "</dl>\n";
}

std::string report_html(const ReportInputs& inputs) {
  const std::vector<ReportPair> pairs = report_pairs(inputs.source, inputs.examples);
  std::string body;
  body += section("curves", "Curves", curves_html(inputs));
  body += section("figures", "Final figures and their controls", tables_html(inputs.summary));
  body += section("findings", "What this run shows, and what it does not", findings_html(inputs));
  body += section("words", "Masked words", words_html(inputs, pairs));
  body += section("maps", "Where words look", maps_html(inputs, pairs));
  body += section("settings", "Command and settings", settings_html(inputs));
  const std::string title = escape_html(title_of(inputs.settings));
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
      "<link rel=\"icon\" href=\"data:,\" />\n<title>" +
      title + "</title>\n<style>" + kReportStyle + "</style>\n</head>\n<body>\n<header>\n<h1>" + title +
      "</h1>\n"
      "<p class=\"lead\">A vision-and-language transformer without convolution or region features, trained "
      "from random numbers on pictures and their captions to restore masked words, to tell whether a "
      "caption belongs to a picture, and to align words with patches.</p>\n";
  page += facts_html(inputs) + "<pre class=\"command\">" + escape_html(inputs.command) + "</pre>\n" + navigation(body) +
          "</header>\n<main>\n" + symbols_svg(pairs) + tiles_html(inputs.summary) + body;
  page += text("</main>\n<footer><p>Written by Tessera ", TESSERA_VERSION, ".</p></footer>\n<script>", kReportScript,
               "</script>\n</body>\n</html>\n");
  return page;
}

void write_report(const std::filesystem::path& html, const ReportInputs& inputs) {
  write_file_atomically(html, report_html(inputs));
}

}  // namespace tessera
