#include "vilt/report/report.h"

#include "io/files.h"
#include "vilt/objectives.h"
#include "vilt/report/report_page.h"
#include "vilt/report/report_parts.h"
#include "vilt/tasks/pretraining.h"

namespace tessera {
std::string facts_html(const ReportInputs& inputs) {
  return run_facts_html(inputs.settings, inputs.trained.vilt.config, inputs.summary,
                        static_cast<int64_t>(inputs.source.vocabulary().size()), "pairs",
                        loss_equation(objective_options(inputs.settings)));
}

std::string report_html(const ReportInputs& inputs) {
  const std::vector<ReportPair> pairs = report_pairs(inputs.source, inputs.examples);
  std::string pictures;
  for (const ReportPair& pair : pairs) pictures += picture_symbol(pair.picture, pair.resized->image);
  return page_html(
      {.title = report_title(inputs.settings),
       .lead =
           "A vision-and-language transformer without convolution or region features, trained from random numbers on "
           "pictures and their captions to restore masked words, to tell whether a caption belongs to a picture, and "
           "to align words with patches.",
       .command = inputs.command,
       .facts = facts_html(inputs),
       .symbols = symbols_svg(pictures),
       .tiles = tiles_html(inputs.summary),
       .sections = {{"curves", "Curves", "Curves", curves_html(inputs)},
                    {"figures", "Figures", "Final figures and their controls", tables_html(inputs.summary)},
                    {"findings", "Findings", "What this run shows, and what it does not", findings_html(inputs)},
                    {"words", "Masked words", "Masked words", words_html(inputs, pairs)},
                    {"maps", "Maps", "Where words look", maps_html(inputs, pairs)},
                    {"settings", "Settings", "Command and settings", settings_html(inputs.settings, inputs.command)}}});
}

void write_report(const std::filesystem::path& html, const ReportInputs& inputs) {
  write_file_atomically(html, report_html(inputs));
}

}  // namespace tessera
