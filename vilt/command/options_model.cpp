// Options of the commands about a model or the library itself.
#include "vilt/command/options.h"

namespace tessera::command {

void add_info(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "info", "Tells a model's size: parameters, arithmetic, memory",
                                  "vilt info configs/scenes.toml --text 12 --grid 5x5");
  auto arguments = std::make_shared<InfoArguments>();
  command->add_option("DIR|CONFIG", arguments->what, "Folder of a run or checkpoint, or a TOML file")->required();
  add_count(command, "--text", arguments->text, "Text tokens with [CLS] and [SEP] (default: as many as fit)");
  command->add_option("--grid", arguments->grid, "Patches of the image, ROWSxCOLUMNS (default: the position table's)");
  add_count(command, "--batch", arguments->batch, "Pairs at once (default: the settings' or 32)");
  command->callback([arguments, &action] { action = [arguments] { return run_info(*arguments); }; });
}

void add_gradcheck(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "gradcheck", "Checks the gradient of every op against central differences",
                                  "vilt gradcheck --op layer_norm");
  auto arguments = std::make_shared<GradcheckArguments>();
  command->add_option("--op", arguments->op, "Only ops whose name contains this");
  add_count(command, "--seed", arguments->seed, "Of the inputs (default 0)");
  command->add_flag("--plant", arguments->plant, "Makes each gradient wrong by 1 %, to see the checks fail");
  command->callback([arguments, &action] { action = [arguments] { return run_gradcheck(*arguments); }; });
}

}  // namespace tessera::command
