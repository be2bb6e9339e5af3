// `vilt train`: from a TOML file to a trained model and its report.
#include <iostream>

#include "vilt/command/command.h"
#include "vilt/command/figures.h"
#include "vilt/settings.h"
#include "vilt/trainer.h"

namespace tessera::command {

int run_train(const TrainArguments& arguments) {
  const Settings settings = Settings::from_toml(arguments.config, arguments.overrides);
  TrainOptions options;
  options.fresh = arguments.fresh;
  const Summary summary = train(settings, options);
  std::cout << '\n';
  print_summary(std::cout, summary);
  return 0;
}

}  // namespace tessera::command
