#include "vilt/report/report_page.h"

#include "io/words.h"
#include "report/html.h"
#include "vilt/report/report_parts.h"

namespace tessera {

std::string page_html(const ReportPage& page) {
  std::string body, links;
  for (const ReportSection& section : page.sections) {
    if (section.body.empty()) continue;
    links += text("<a href=\"#", section.id, "\">", section.name, "</a> ");
    body += text("<section id=\"", section.id, "\">\n<h2>", section.title, "</h2>\n", section.body, "</section>\n");
  }
  const std::string title = escape_html(page.title);
  return text(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n<meta name=\"generator\" content=\"",
      escape_html(page.generator),
      "\" />\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
      "<link rel=\"icon\" href=\"data:,\" />\n<title>",
      title, "</title>\n<style>", kReportStyle, "</style>\n</head>\n<body>\n<header>\n<h1>", title,
      "</h1>\n<p class=\"lead\">", escape_html(page.lead), "</p>\n", page.facts, "<pre class=\"command\">",
      escape_html(page.command), "</pre>\n<nav>", links, "</nav></header>\n<main>\n", page.symbols, page.tiles, body,
      "</main>\n<footer><p>Written by Tessera ", TESSERA_VERSION, ".</p></footer>\n<script>", kReportScript,
      "</script>\n</body>\n</html>\n");
}

std::string report_title(const Settings& settings) {
  if (!settings.train.title.empty()) return settings.train.title;
  return "ViLT: " + std::filesystem::path(settings.train.out).filename().string();
}

std::string settings_html(const Settings& settings, const std::string& command) {
  return text("<p>The run is reproduced by</p>\n<pre class=\"command\">", escape_html(command),
              "</pre>\n<details><summary>All settings of the run</summary><pre>", escape_html(settings.to_toml()),
              "</pre></details>\n");
}

std::string run_facts_html(const Settings& settings, const ModelConfig& model, const Summary& summary,
                           int64_t vocabulary, const std::string& unit, const std::string& objective) {
  std::string out = "<dl class=\"facts\">";
  const auto fact = [&](const char* name, const std::string& value) {
    out += text("<div><dt>", name, "</dt><dd>", escape_html(value), "</dd></div>");
  };
  fact("Model", text(model.num_hidden_layers, " layers, width ", model.hidden_size, ", ", model.num_attention_heads,
                     " heads, patches of ", model.patch_size, " × ", model.patch_size));
  fact("Parameters", with_thousands(summary.parameters));
  fact("Vocabulary", with_thousands(vocabulary) + " word pieces");
  fact("Steps", text(with_thousands(summary.steps), " of ", settings.train.batch_size, ' ', unit));
  fact("Training time", duration(summary.train_seconds));
  fact("Precision", settings.train.precision);
  fact("Device", settings.train.device);
  fact("Seed", std::to_string(settings.train.seed));
  fact("Objective", objective);
  return out + "</dl>\n";
}

std::string symbols_svg(const std::string& symbols) {
  return "<svg class=\"symbols\" aria-hidden=\"true\"><filter id=\"grey\"><feColorMatrix type=\"saturate\" "
         "values=\"0\"/></filter>\n" +
         symbols + "</svg>\n";
}

}  // namespace tessera
