// The report of a fine-tuned run, one HTML page like that of pre-training: the curves, the final figures with their
// controls, what was answered of held-out samples, rightly and wrongly, and what was wrong how often.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "report/charts.h"
#include "train/evaluation/annotated_captions.h"
#include "vilt/report/retrieval_findings.h"
#include "vilt/tasks/downstream_files.h"
#include "vilt/tasks/settings.h"
#include "vilt/tasks/summary.h"

namespace tessera {

struct DownstreamReportInputs {
  const Settings& settings;
  std::filesystem::path metrics;  // metrics.jsonl of the trainer; absent: no curves
  Summary summary;
  const DownstreamTask& task;
  const ViltWithHeads& model;
  const DownstreamSource& source;  // of part.set(table, Unanswerable::keep), best of the test part
  const DownstreamPart& part;
  const AnswerTable& table;  // empty but for questions
  std::string command;       // what reproduces the run
  int64_t examples = 6;      // as many that were answered rightly, as many that were not; of retrieval half, each way
  // retrieval: may change how pictures and texts are ranked; where their scores are kept nothing is ranked again.
  std::function<void(RetrievalOptions& options)> ranking = {};
  ForwardContext context = {};
};

std::string downstream_report_html(const DownstreamReportInputs& inputs);
void write_downstream_report(const std::filesystem::path& html, const DownstreamReportInputs& inputs);

// What the model said of a sample that a classifier answers.
struct Answered {
  int64_t sample = 0;
  int64_t label = 0;
  double score = 0;  // vqa: its accuracy; nlvr2: 1 or 0
  bool right() const { return score >= 0.5; }
};

// The sections, by task; vilt/report/downstream_report.cpp puts them together. `symbols` gets the pictures that are
// shown.
std::string downstream_curves_html(const DownstreamReportInputs& inputs);
std::string downstream_figures_html(const Summary& summary);
std::string answers_html(const DownstreamReportInputs& inputs, const std::vector<Answered>& answered,
                         std::string& symbols);
std::string mistakes_html(const DownstreamReportInputs& inputs, const std::vector<Answered>& answered);
// What a model for retrieval found.
struct RankedCaptions {
  std::vector<int64_t> images, texts;  // the numbers in the source of what the findings count
  BothFindings found;
  std::unique_ptr<AnnotatedCaptions> known;  // where annotations tell all that captions say
};
std::string rankings_html(const DownstreamReportInputs& inputs, const RankedCaptions& ranked, std::string& symbols);
std::string wrong_picks_html(const RankedCaptions& ranked);

}  // namespace tessera
