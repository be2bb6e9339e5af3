// The command `vilt`: what can be typed, and what a wrong line is told. The only file that knows CLI11.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <iostream>

#include "autograd/finite.h"
#include "tensor/error.h"
#include "vilt/command/command.h"

namespace tessera::command {
namespace {

using Action = std::function<int()>;

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description, const std::string& example) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer("Example:\n  " + example);
  return command;
}

void add_scenes(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "scenes", "Writes the built-in data set: pictures of coloured shapes with captions",
                                  "vilt scenes --kind scenes-quick --out runs/data/scenes-quick");
  auto arguments = std::make_shared<ScenesArguments>();
  command->add_option("--kind", arguments->kind, "scenes (one or two objects) or scenes-quick (one object)")->required();
  command->add_option("--out", arguments->out, "Folder to write; kept if it holds the same data already")->required();
  command->add_option("--seed", arguments->seed, "Another seed gives other scenes (default 0)");
  command->add_option("--train", arguments->train, "Scenes for training, an even number (default 30000, quick 16000)");
  command->add_option("--val", arguments->val, "... for validation (default 1000)");
  command->add_option("--test", arguments->test, "... for the test (default 2000)");
  command->add_option("--test-unseen", arguments->test_unseen,
                      "... with combinations that occur nowhere else (default 1000, quick 2000)");
  command->add_flag("--force", arguments->force, "Replaces a data set with other settings");
  command->callback([arguments, &action] { action = [arguments] { return run_scenes(*arguments); }; });
}

void add_vocabulary(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "vocab", "Learns a WordPiece vocabulary from the captions of a data set",
                                  "vilt vocab --captions dataset.json --size 8000 --out vocab.txt");
  auto arguments = std::make_shared<VocabularyArguments>();
  command->add_option("--captions", arguments->captions, "Captions, Karpathy JSON")->required();
  command->add_option("--out", arguments->out, "File to write, one token a line")->required();
  command->add_option("--size", arguments->size, "Number of tokens, special ones and characters included");
  command->add_option("--split", arguments->split, "Split whose captions are read (default train)");
  command->add_flag("--once", arguments->once, "Counts every word once, however often it occurs: for small closed vocabularies");
  command->add_option("--kind", arguments->kind, "scenes or scenes-quick: the size for this built-in data, and --once");
  command->callback([arguments, &action] { action = [arguments] { return run_vocabulary(*arguments); }; });
}

void add_train(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "train", "Trains a model, or continues a run; writes its report",
                                  "vilt train configs/scenes-quick.toml train.steps=400 train.out=runs/short");
  auto arguments = std::make_shared<TrainArguments>();
  command->add_option("CONFIG", arguments->config, "Settings, TOML; see configs/ and docs/")->required();
  command->add_option("section.key=value", arguments->overrides, "Settings that replace those of the file");
  command->add_flag("--fresh", arguments->fresh, "Starts over: removes what an earlier run left in train.out");
  command->callback([arguments, &action] { action = [arguments] { return run_train(*arguments); }; });
}

// The names are few and short: the one with the longest common beginning is what was meant, if any begins alike. An existing name gives itself.
std::string nearest_command(const CLI::App& app, const std::string& typed) {
  std::string best;
  size_t longest = 0;
  for (const CLI::App* command : app.get_subcommands({})) {
    const std::string& name = command->get_name();
    const auto common = static_cast<size_t>(
        std::mismatch(name.begin(), name.end(), typed.begin(), typed.end()).first - name.begin());
    if (common > longest) {
      longest = common;
      best = name;
    }
  }
  return best;
}

void add_commands(CLI::App& app, Action& action) {
  app.description("ViLT, a vision-and-language transformer, trained and used from the command line.");
  app.footer(
      "`vilt COMMAND --help` explains a command and ends with an example.\n"
      "From nothing to a trained model:\n"
      "  vilt scenes --kind scenes-quick --out runs/data/scenes-quick\n"
      "  vilt vocab --kind scenes-quick --captions runs/data/scenes-quick/dataset.json --out runs/data/scenes-quick/vocab.txt\n"
      "  vilt train configs/scenes-quick.toml");
  app.set_version_flag("--version", std::string("vilt (tessera) ") + TESSERA_VERSION);
  app.require_subcommand(0, 1);
  add_scenes(app, action);
  add_vocabulary(app, action);
  add_train(app, action);
}

int run(int argc, char** argv) {
  CLI::App app("", "vilt");
  Action action;
  add_commands(app, action);
  if (argc > 1 && argv[1][0] != '-') {
    const std::string nearest = nearest_command(app, argv[1]);
    check(nearest == argv[1], "there is no command '", argv[1], "'", nearest.empty() ? "" : "; did you mean '" + nearest + "'?",
         " (vilt --help lists them)");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    fail(error.what(), " (see vilt ", chosen.empty() ? "" : chosen[0]->get_name() + " ", "--help)");
  }
  if (!action) {
    std::cout << app.help();
    return 0;
  }
  return action();
}

}  // namespace
}  // namespace tessera::command

// 0: done. 1: failed. 2: bad input.
int main(int argc, char** argv) {
  std::string message;
  int status = 2;
  try {
    return tessera::command::run(argc, argv);
  } catch (const tessera::NonFinite& error) {
    message = error.what();
    status = 1;
  } catch (const tessera::Error& error) {
    message = error.what();
  } catch (const std::exception& error) {
    message = error.what();
    status = 1;
  }
  std::cout << std::flush;
  std::cerr << "vilt: " << message << std::endl;
  return status;
}
