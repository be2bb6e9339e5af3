// `vilt train` of a system beside ViLT (models/training/systems.h).
#include <iostream>

#include "models/training/systems.h"
#include "tensor/device.h"
#include "vilt/command/command.h"
#include "vilt/command/figures.h"
#include "vilt/command/overwriting.h"
#include "vilt/command/run_lock.h"
#include "vilt/report/comparison.h"
#include "vilt/tasks/settings_memory.h"

namespace tessera::command {

void write_system_report(const std::filesystem::path& run, const std::string& command) {
  write_file_atomically(run / "report.html", system_report_html(read_single_run(run), command));
}

int run_train_system(const TrainArguments& arguments) {
  std::vector<std::string> overrides = arguments.overrides;
  if (!arguments.precision.empty()) overrides.push_back("train.precision=" + arguments.precision);
  if (!arguments.device.empty()) overrides.push_back("train.device=" + arguments.device);
  if (arguments.cuda_graph) overrides.emplace_back("train.cuda_graph=true");
  check(!arguments.checkpoint_blocks, "--checkpoint-blocks: only ViLT computes its blocks again");
  const SystemRun run = system_run(arguments.config, overrides);
  const Device device = device_named("train.device", run.device);
  check_available(device);
  if (device.kind == Device::cpu) refuse_memory_that_is_not_there();
  check_may_train_in(run.out);
  const RunLock lock(run.out);
  TrainingOptions options;
  options.fresh = arguments.fresh;
  options.keep_signals = true;
  Summary summary;
  static_cast<TaskSummary&>(summary) = train_system(arguments.config, overrides, options);
  std::cout << '\n';
  print_summary(std::cout, summary);
  write_system_report(run.out, training_command(arguments));
  std::cout << "report: " << shown(run.out / "report.html") << '\n';
  return 0;
}

}  // namespace tessera::command
