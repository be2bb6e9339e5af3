#include "vilt/report/downstream_report.h"

#include "data/tasks/vqa_accuracy.h"
#include "io/files.h"
#include "vilt/report/report_page.h"
#include "vilt/report/report_parts.h"
#include "vilt/tasks/downstream_evaluation.h"

namespace tessera {
namespace {

constexpr const char* kLeads[] = {
    "A vision-and-language transformer without convolution or region features, fine-tuned to answer questions about "
    "pictures.",
    "A vision-and-language transformer without convolution or region features, fine-tuned to tell whether a statement "
    "is "
    "true of two pictures.",
    "A vision-and-language transformer without convolution or region features, fine-tuned to find the texts of a "
    "picture "
    "and the pictures of a text."};

std::vector<Answered> answered_samples(const DownstreamReportInputs& inputs) {
  std::vector<Answered> out;
  DownstreamEvaluationOptions options;
  options.limit = inputs.settings.train.test_samples;
  options.context = inputs.context;
  UsablePictures usable(inputs.source.pictures, inputs.settings.data.max_bad_files, {});  // named by the evaluation
  options.usable = &usable;
  options.answered = [&](int64_t sample, int64_t label) {
    const auto place = static_cast<size_t>(sample);
    const double score =
        inputs.task.images == 1
            ? vqa_accuracy(inputs.part.questions[place], inputs.table.answers()[static_cast<size_t>(label)])
            : static_cast<double>(inputs.part.statements[place].label == (label == 1));
    out.push_back({sample, label, score});
  };
  evaluate_downstream(inputs.task, inputs.model, inputs.source, inputs.part, inputs.table, options);
  return out;
}

constexpr int64_t kFirst = 5;

RankedCaptions ranked_captions(const DownstreamReportInputs& inputs) {
  RankedCaptions out;
  UsablePictures usable(inputs.source.pictures, inputs.settings.data.max_bad_files, {});  // named by the evaluation
  DownstreamEvaluationOptions options;
  options.usable = &usable;
  options.limit = inputs.settings.train.test_samples;
  options.context = inputs.context;
  options.ranking = [&](RetrievalOptions& ranking) {
    if (inputs.ranking) inputs.ranking(ranking);
    ranking.ranked = [&](const RankedPairs& ranked) {
      out.images.assign(ranked.images.begin(), ranked.images.end());
      out.texts.assign(ranked.texts.begin(), ranked.texts.end());
      out.found = retrieval_findings(ranked, inputs.examples / 2, kFirst);
    };
  };
  evaluate_downstream(inputs.task, inputs.model, inputs.source, inputs.part, inputs.table, options);
  auto known = std::make_unique<AnnotatedCaptions>(inputs.part.captions, inputs.source.pictures, out.images, out.texts);
  if (known->know_claims()) out.known = std::move(known);
  return out;
}

}  // namespace

std::string downstream_report_html(const DownstreamReportInputs& inputs) {
  const bool classifies = inputs.task.classifies;
  std::string symbols, examples, mistakes;
  if (classifies) {
    const std::vector<Answered> answered = answered_samples(inputs);
    examples = answers_html(inputs, answered, symbols);
    mistakes = mistakes_html(inputs, answered);
  } else {
    const RankedCaptions ranked = ranked_captions(inputs);
    examples = rankings_html(inputs, ranked, symbols);
    mistakes = wrong_picks_html(ranked);
  }
  return page_html(
      {.title = report_title(inputs.settings),
       .lead = kLeads[classifies ? inputs.task.images - 1 : 2],
       .command = inputs.command,
       .facts = run_facts_html(inputs.settings, inputs.model.vilt.config, inputs.summary,
                               static_cast<int64_t>(inputs.source.vocabulary.size()),
                               classifies ? inputs.task.samples : "pictures",
                               text(inputs.task.term.name, " (mean over ", inputs.task.samples, ")")),
       .symbols = symbols_svg(symbols),
       .tiles = "",
       .sections = {{"curves", "Curves", "Curves", downstream_curves_html(inputs)},
                    {"figures", "Figures", "Final figures and their controls", downstream_figures_html(inputs.summary)},
                    {"examples", "Examples", "Examples", examples},
                    {"mistakes", "Mistakes", "What was wrong, and how often", mistakes},
                    {"settings", "Settings", "Command and settings", settings_html(inputs.settings, inputs.command)}}});
}

void write_downstream_report(const std::filesystem::path& html, const DownstreamReportInputs& inputs) {
  write_file_atomically(html, downstream_report_html(inputs));
}

}  // namespace tessera
