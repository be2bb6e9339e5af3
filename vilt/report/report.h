// The report of a run: one HTML page that needs nothing else, no network either. It shows the curves, the final
// figures with their controls, masked words of held-out captions, and where words look, beside the same maps of the
// untrained model and of a caption that is not true of the picture.
#pragma once

#include <filesystem>
#include <string>

#include "vilt/tasks/settings.h"
#include "vilt/tasks/summary.h"

namespace tessera {

struct ReportInputs {
  const Settings& settings;
  std::filesystem::path metrics;  // metrics.jsonl of the trainer; absent: no curves
  Summary summary;
  const ViltWithHeads& trained;
  const ViltWithHeads& untrained;  // the same model before its first step
  const SampleSource& source;      // held-out pairs, best the test split
  std::string command;             // what reproduces the run
  int examples = 6;                // held-out pairs shown, spread evenly over the split
  ForwardContext context = {};     // how the trained model computes
};

// Written beside and renamed: no reader meets half a page.
void write_report(const std::filesystem::path& html, const ReportInputs& inputs);

// The page itself.
std::string report_html(const ReportInputs& inputs);

}  // namespace tessera
