// `vilt eval`: the figures of a trained model on a split of any data set.
#include <iostream>

#include "data/samples.h"
#include "data/sets/dataset.h"
#include "io/printable.h"
#include "tensor/error.h"
#include "vilt/ask/inputs.h"
#include "vilt/command/command.h"
#include "vilt/command/figures.h"
#include "vilt/tasks/evaluation_progress.h"
#include "vilt/tasks/settings_memory.h"
#include "vilt/tasks/training_data.h"

namespace tessera::command {

int run_eval(const EvalArguments& arguments) {
  check(arguments.limit >= 0, "--limit is ", arguments.limit, ", expected a number of captions, or 0 for all");
  if (arguments.model.device == "cpu") refuse_memory_that_is_not_there();
  const LoadedModel model = open_model(arguments.model);
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
