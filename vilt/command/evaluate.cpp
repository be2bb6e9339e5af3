// `vilt eval`: the figures of a trained model on a split of any data set.
#include <iostream>
#include <sstream>

#include "data/samples.h"
#include "data/sets/dataset.h"
#include "data/tasks/vqa_results.h"
#include "io/printable.h"
#include "tensor/error.h"
#include "train/evaluation/evaluation_progress.h"
#include "train/sources/training_data.h"
#include "vilt/ask/inputs.h"
#include "vilt/command/command.h"
#include "vilt/command/evaluate_retrieval.h"
#include "vilt/command/figures.h"
#include "vilt/command/overwriting.h"
#include "vilt/tasks/downstream_evaluation.h"
#include "vilt/tasks/settings_memory.h"

namespace tessera::command {

Settings eval_settings(const EvalArguments& arguments, const DownstreamTask& task) {
  Settings settings = Settings::defaults_of(task.name);
  settings.data.captions = settings.data.validation_captions = settings.data.test_captions = arguments.captions;
  settings.data.images = arguments.images;
  settings.data.annotations = arguments.annotations;
  settings.data.test_split = arguments.split;
  settings.data.kind = arguments.captions_kind;
  settings.data.max_bad_files = arguments.max_bad_files;
  return settings;
}

namespace {

// As the evaluation servers of VQA and NLVR2 take them.
std::string predictions_text(const DownstreamPart& part, const AnswerTable& table,
                             const std::vector<std::pair<int64_t, int64_t>>& answered) {
  std::string lines;
  std::vector<VqaPrediction> results;
  for (const auto& [sample, label] : answered) {
    const auto place = static_cast<size_t>(sample);
    if (part.questions.empty())
      lines += part.statements[place].identifier + (label == 1 ? ",True\n" : ",False\n");
    else
      results.push_back({part.questions[place].id, table.answers()[static_cast<size_t>(label)]});
  }
  return part.questions.empty() ? lines : vqa_results_json(results);
}

int eval_downstream(const EvalArguments& arguments, const LoadedModel& model, const DownstreamTask& task) {
  check(arguments.group.empty(), "--group is for models of pre-training");
  if (!arguments.predictions.empty()) check_may_write(arguments.predictions, arguments.force);
  const Settings settings = eval_settings(arguments, task);
  const ProgressLine reading;
  reading.show(text("reading ", shown(arguments.captions), " …"));
  std::ostringstream remarks;
  const DownstreamPart part = read_part(task, settings, DataPart::test, remarks);
  reading.clear();
  if (!arguments.json) std::cout << remarks.str();
  const AnswerTable table = task.images == 1 ? AnswerTable(model.config.labels) : AnswerTable();
  const DownstreamSource source(part.set(table, Unanswerable::keep), *model.vocabulary, model.preprocessing);
  std::vector<std::pair<int64_t, int64_t>> answered;
  EvaluationProgress progress;
  DownstreamEvaluationOptions options;
  options.limit = arguments.limit;
  options.controls = true;
  options.context = model.context;
  options.progress = progress.of();
  UsablePictures usable(source.pictures, arguments.max_bad_files, progress.report(), "--max-bad-files");
  options.usable = &usable;
  options.answered = [&](int64_t sample, int64_t label) { answered.emplace_back(sample, label); };
  const NamedFigures figures = evaluate_downstream(task, *model.model, source, part, table, options);
  progress.clear();
  if (!arguments.predictions.empty())
    write_output(arguments.predictions, predictions_text(part, table, answered), arguments.force);
  if (arguments.json) {
    std::cout << figures_json(figures) << '\n';
    return 0;
  }
  std::cout << shown(model.directory) << " (" << task.name << ") on " << shown(arguments.captions) << '\n';
  print_downstream(std::cout, {{"", figures}});
  return 0;
}

}  // namespace

int run_eval(const EvalArguments& arguments) {
  check(arguments.limit >= 0, "--limit is ", arguments.limit, ", expected a number of captions, or 0 for all");
  if (arguments.model.device == "cpu") refuse_memory_that_is_not_there();
  const LoadedModel model = open_model(arguments.model);
  const DownstreamTask* task =
      arguments.task.empty() ? downstream_task_of(model.config) : downstream_task(arguments.task);
  if (task && !task->classifies) return eval_retrieval(arguments, model, *task);
  check_no_retrieval_options(arguments);
  if (task) return eval_downstream(arguments, model, *task);
  check(arguments.predictions.empty(), "--predictions is for models that answer questions or judge statements");
  DatasetOptions options;
  options.splits = {arguments.split};
  options.annotations = arguments.annotations;
  options.kind = arguments.captions_kind;
  options.max_missing = arguments.max_bad_files;
  const ProgressLine reading;
  reading.show(text("reading ", shown(arguments.captions), " …"));
  const Dataset all = Dataset::open(arguments.captions, arguments.images, options);
  reading.clear();
  if (!arguments.json) {
    tell_remarks(all, arguments.captions, std::cout);
    tell_missing(all, std::cout);
  }
  const Dataset dataset = all.without_missing();
  const SampleSource source(dataset, *model.vocabulary, model.preprocessing);
  EvaluationOptions evaluation;
  evaluation.limit = arguments.limit;
  evaluation.group = arguments.group;
  evaluation.context = model.context;
  EvaluationProgress progress;
  evaluation.progress = progress.of();
  UsablePictures usable(source, arguments.max_bad_files, progress.report(), "--max-bad-files");
  evaluation.usable = &usable;
  const Evaluation result = evaluate(*model.model, source, evaluation);
  progress.clear();
  if (arguments.json) {
    std::cout << evaluation_json(result) << '\n';
    return 0;
  }
  std::cout << shown(model.directory) << " on " << with_thousands(result.samples) << " captions of split "
            << arguments.split << (arguments.group.empty() ? "" : ", group " + arguments.group) << '\n';
  print_figures(std::cout, {{"", &result}});
  return 0;
}

}  // namespace tessera::command
