// `vilt train`: from a TOML file to a trained model and its report. `vilt report`: the report alone, once more.
#include <filesystem>
#include <iostream>
#include <sstream>

#include "data/sets/dataset.h"
#include "io/printable.h"
#include "models/training/systems.h"
#include "nn/precision.h"
#include "tensor/device.h"
#include "tensor/error.h"
#include "train/checkpoint.h"
#include "train/progress_line.h"
#include "train/sources/training_data.h"
#include "vilt/command/command.h"
#include "vilt/command/figures.h"
#include "vilt/command/overwriting.h"
#include "vilt/command/run_lock.h"
#include "vilt/files/load_model.h"
#include "vilt/report/comparison.h"
#include "vilt/report/downstream_report.h"
#include "vilt/report/metrics_csv.h"
#include "vilt/report/report.h"
#include "vilt/tasks/initial_weights.h"
#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/run_scores.h"
#include "vilt/tasks/settings.h"
#include "vilt/tasks/settings_memory.h"
#include "vilt/tasks/trainer.h"

namespace tessera::command {
namespace {

namespace fs = std::filesystem;

// As it has to be typed into a shell.
std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_-+=./:,@%") == std::string::npos;
  if (plain) return word;
  std::string escaped;
  for (const char c : word) c == '\'' ? escaped.append("'\\''") : escaped.append(1, c);
  return text("'", escaped, "'");
}

}  // namespace

std::string training_command(const TrainArguments& arguments) {
  std::string overrides;
  for (const std::string& setting : arguments.overrides) overrides.append(1, ' ').append(shell_word(setting));
  if (!arguments.precision.empty()) overrides.append(" --precision ").append(arguments.precision);
  if (!arguments.device.empty()) overrides.append(" --device ").append(arguments.device);
  if (arguments.cuda_graph) overrides.append(" --cuda-graph");
  return text("vilt train ", shell_word(arguments.config), overrides);
}

namespace {

fs::path report_of(const fs::path& run) { return run / "report.html"; }

void report_finetuning(const fs::path& run, const Settings& settings, const std::string& command) {
  const DownstreamTask& task = *downstream_task(settings.train.task);
  const ProgressLine progress;
  progress.show("reading the model and the data set …");
  const LoadedModel trained = load_model(run);
  const DType activations = activations_of(precision_named("train.precision", settings.train.precision));
  std::ostringstream remarks;  // training has told them
  const DownstreamPart part = read_part(task, settings, DataPart::test, remarks);
  const AnswerTable table = task.classifies && task.images == 1 ? AnswerTable(trained.config.labels) : AnswerTable();
  const DownstreamSource source(part.set(table, Unanswerable::keep), *trained.vocabulary, trained.preprocessing);
  progress.show("making the report …");
  write_downstream_report(
      report_of(run),
      {.settings = settings,
       .metrics = run / "metrics.jsonl",
       .summary = read_summary(run / "summary.json"),
       .task = task,
       .model = *trained.model,
       .source = source,
       .part = part,
       .table = table,
       .command = command,
       .ranking = [&](RetrievalOptions& options) { keep_scores(run, settings, *trained.parameters, options); },
       .context = {.activations = activations}});
}

void rebuild_report(const fs::path& run, const std::string& command) {
  check_is_run(run);
  check(fs::exists(run / "summary.json"), shown(run), ": the run is not finished; `vilt train` continues it");
  if (is_of_other_system(run)) return write_system_report(run, command);
  Settings settings = Settings::from_toml(run / "settings.toml");
  refuse_commands(settings.data, shown(run / "settings.toml"));
  if (settings.train.task != "pretraining") return report_finetuning(run, settings, command);
  const ProgressLine progress;
  progress.show("reading the model and the data set …");
  const LoadedModel trained = load_model(run);
  settings.model = trained.config;
  ViltWithHeads untrained = drawn_model(settings);
  ParameterSet untrained_parameters(untrained);
  const std::string note = begin_again(settings, untrained_parameters);
  if (!note.empty()) {
    progress.clear();
    std::cerr << "note: " << note << '\n';
  }
  const Dataset dataset = open_test_data(settings.data);
  const SampleSource source(dataset, *trained.vocabulary, sample_options(settings));
  const Summary summary = read_summary(run / "summary.json");
  progress.show("making the report …");
  write_report(report_of(run), {settings, run / "metrics.jsonl", summary, *trained.model, untrained, source, command});
}

std::vector<fs::path> runs_of(const ReportArguments& arguments) {
  return {arguments.runs.begin(), arguments.runs.end()};
}

int export_metrics(const ReportArguments& arguments) {
  const std::string csv =
      metrics_csv(runs_of(arguments), [](const std::string& remark) { std::cerr << "note: " << remark << '\n'; });
  if (arguments.output.empty())
    std::cout << csv;
  else
    write_output(arguments.output, csv, arguments.force);
  return 0;
}

int compare_runs(const ReportArguments& arguments) {
  const fs::path page = arguments.output.empty() ? "comparison.html" : arguments.output;
  const std::vector<ComparedRun> runs = read_compared_runs(runs_of(arguments));
  std::string command = "vilt report --compare";
  for (const std::string& run : arguments.runs) command += " " + shell_word(run);
  if (!arguments.output.empty()) command += " --output " + shell_word(arguments.output);
  write_page(page, comparison_html(runs, command), kComparisonMark, arguments.force);
  for (const std::string& remark : comparison_remarks(runs)) std::cerr << "note: " << remark << '\n';
  std::cout << "comparison: " << shown(page) << '\n';
  return 0;
}

}  // namespace

int run_train(const TrainArguments& arguments) {
  if (!system_named(arguments.config, arguments.overrides).empty()) return run_train_system(arguments);
  Settings settings = Settings::from_toml(arguments.config, arguments.overrides);
  settings.train.checkpoint_blocks |= arguments.checkpoint_blocks;
  if (!arguments.precision.empty()) settings.train.precision = arguments.precision;
  if (!arguments.device.empty()) settings.train.device = arguments.device;
  settings.train.cuda_graph |= arguments.cuda_graph;
  settings.validate();
  check_memory(with_initial_sizes(settings, arguments.fresh));
  const Device device = device_named("train.device", settings.train.device);
  check_available(device);
  if (device.kind == Device::cpu) refuse_memory_that_is_not_there();
  const fs::path run = settings.train.out;
  const std::string command = training_command(arguments);
  TrainOptions options;
  options.fresh = arguments.fresh;
  options.keep_signals = true;
  options.report = [&](const Settings& resolved, const Summary& summary, const ViltWithHeads& trained,
                       const ViltWithHeads& untrained, const SampleSource& test) {
    const DType activations = activations_of(precision_named("train.precision", resolved.train.precision));
    write_report(report_of(run), {.settings = resolved,
                                  .metrics = run / "metrics.jsonl",
                                  .summary = summary,
                                  .trained = trained,
                                  .untrained = untrained,
                                  .source = test,
                                  .command = command,
                                  .context = {.activations = activations}});
  };
  check_may_train_in(run);
  const RunLock lock(run);
  const Summary summary = train(settings, options);
  // That of fine-tuning, or of a finished run, removed since.
  if (!fs::exists(report_of(run))) rebuild_report(run, command);
  std::cout << '\n';
  print_summary(std::cout, summary);
  std::cout << "report: " << shown(report_of(run)) << '\n';
  return 0;
}

int run_report(const ReportArguments& arguments) {
  check(
      !arguments.csv || !arguments.compare,
      "--csv and --compare are two things: --csv of several runs is one table with a column \"run\", --compare a page");
  check(arguments.output.empty() || arguments.csv || arguments.compare,
        "--output is for --csv and --compare; the report of a run lies in its folder");
  check(!arguments.force || !arguments.output.empty() || arguments.compare, "--force is for the file of --output");
  if (arguments.csv) return export_metrics(arguments);
  if (arguments.compare) return compare_runs(arguments);
  check(arguments.runs.size() == 1, "vilt report takes one run; --csv and --compare take several");
  const fs::path run = arguments.runs[0];
  rebuild_report(run, text("vilt train ", shell_word((run / "settings.toml").string()), " --fresh"));
  std::cout << "report: " << shown(report_of(run)) << '\n';
  return 0;
}

}  // namespace tessera::command
