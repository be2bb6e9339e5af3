// The command `vilt`: what can be typed, and what a wrong line is told. The only file that knows CLI11.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>

#include "autograd/finite.h"
#include "tensor/error.h"
#include "vilt/command/command.h"
#include "vilt/gradcheck_command.h"

namespace tessera::command {

int run_gradcheck(const GradcheckArguments& arguments) {
  return run_gradcheck_table(std::cout, arguments.op, arguments.seed, arguments.plant);
}

namespace {

using Action = std::function<int()>;

// CLI11 reads "-1" as a large number where none below 0 exists.
const CLI::Validator kWholeNumber(
    [](const std::string& typed) {
      const bool digits = !typed.empty() && typed.find_first_not_of("0123456789") == std::string::npos;
      return digits && typed.size() < 19 ? std::string() : "'" + typed + "' is no whole number from 0 on";
    },
    "");

template <class Integer>
void add_count(CLI::App* command, const std::string& name, Integer& target, const std::string& description) {
  command->add_option(name, target, description)->check(kWholeNumber);
}

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                      const std::string& example) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer("Example:\n  " + example);
  return command;
}

void add_scenes(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "scenes",
                                  "Writes the built-in data set: pictures of coloured shapes with captions",
                                  "vilt scenes --kind scenes-quick --out runs/data/scenes-quick");
  auto arguments = std::make_shared<ScenesArguments>();
  command->add_option("--kind", arguments->kind, "scenes (one or two objects) or scenes-quick (one object)")
      ->required();
  command->add_option("--out", arguments->out, "Folder to write; kept if it holds the same data already")->required();
  add_count(command, "--seed", arguments->seed, "Another seed gives other scenes (default 0)");
  add_count(command, "--train", arguments->train, "Scenes for training, an even number (default 30000, quick 16000)");
  add_count(command, "--val", arguments->val, "... for validation (default 1000)");
  add_count(command, "--test", arguments->test, "... for the test (default 2000)");
  add_count(command, "--test-unseen", arguments->test_unseen,
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
  add_count(command, "--size", arguments->size, "Number of tokens, special ones and characters included");
  command->add_option("--split", arguments->split, "Split whose captions are read (default train)");
  command->add_flag("--once", arguments->once, "Counts every word once, however often it occurs (small vocabularies)");
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

void add_report(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "report", "Writes the report of a finished run once more",
                                  "vilt report runs/scenes-quick");
  auto arguments = std::make_shared<ReportArguments>();
  command->add_option("RUN", arguments->run, "Folder of the run (its train.out)")->required();
  command->callback([arguments, &action] { action = [arguments] { return run_report(*arguments); }; });
}

void add_model(CLI::App* command, std::string& model) {
  command->add_option("--model", model, "Folder of a run (its newest checkpoint is taken) or of a checkpoint")
      ->required();
}

void add_eval(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "eval", "Measures a trained model on a split of a data set",
                                  "vilt eval --model runs/scenes --captions runs/data/scenes/dataset.json \\\n"
                                  "    --images runs/data/scenes/images --split val \\\n"
                                  "    --annotations runs/data/scenes/annotations.jsonl");
  auto arguments = std::make_shared<EvalArguments>();
  add_model(command, arguments->model);
  command->add_option("--captions", arguments->captions, "Captions, Karpathy JSON")->required();
  command->add_option("--images", arguments->images, "Folder of the images")->required();
  command->add_option("--annotations", arguments->annotations,
                      "annotations.jsonl: siblings, content words, boxes; without it fewer figures exist");
  command->add_option("--split", arguments->split, "Split (default test)");
  command->add_option("--group", arguments->group, "Only captions that are annotated with this group");
  add_count(command, "--limit", arguments->limit, "At most so many captions, evenly spread (default 0: all)");
  command->add_flag("--json", arguments->json, "One JSON object, as in summary.json");
  command->callback([arguments, &action] { action = [arguments] { return run_eval(*arguments); }; });
}

void add_fill(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "fill", "Fills in the hidden words of a caption, given the picture",
                                  "vilt fill --model runs/scenes-quick picture.jpg \"a [MASK] ring\"");
  auto arguments = std::make_shared<FillArguments>();
  add_model(command, arguments->model);
  command->add_option("IMAGE", arguments->image, "JPEG or PNG")->required();
  command->add_option("TEXT", arguments->text, "Caption with [MASK] for each hidden word piece")->required();
  add_count(command, "--top", arguments->top, "Answers for each [MASK] (default 5)");
  command->callback([arguments, &action] { action = [arguments] { return run_fill(*arguments); }; });
}

void add_match(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "match", "Tells how probable it is that a caption belongs to a picture",
                                  "vilt match --model runs/scenes-quick picture.jpg \"a red ring\" \"a blue ring\"");
  auto arguments = std::make_shared<MatchArguments>();
  add_model(command, arguments->model);
  command->add_option("IMAGE", arguments->image, "JPEG or PNG")->required();
  command->add_option("CAPTION", arguments->captions, "One or more captions, each in quotes")->required();
  command->callback([arguments, &action] {
    for (std::string& caption : arguments->captions)
      if (caption.starts_with(" [")) caption.erase(0, 1);  // the blank of arguments_of
    action = [arguments] { return run_match(*arguments); };
  });
}

void add_align(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "align", "Draws where each word of a caption looks: a heat map per word, as PNG",
                                  "vilt align --model runs/scenes-quick picture.jpg \"a red ring\" --out maps");
  auto arguments = std::make_shared<AlignArguments>();
  add_model(command, arguments->model);
  command->add_option("IMAGE", arguments->image, "JPEG or PNG")->required();
  command->add_option("CAPTION", arguments->caption, "Caption, in quotes")->required();
  command->add_option("--out", arguments->out, "Folder to write to; made if absent")->required();
  command->add_option("--map", arguments->map,
                      "attention (default; mean over heads), plan (optimal transport, beta 0.1, 1,000 iterations) or "
                      "plan-training (beta 0.5, 50 iterations)");
  add_count(command, "--layer", arguments->layer, "Layer of the attention, from 1 (default: the last)");
  command->callback([arguments, &action] { action = [arguments] { return run_align(*arguments); }; });
}

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

// The names are few and short: the one with the longest common beginning is what was meant, if any begins alike. An
// existing name gives itself.
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
      "  vilt vocab --kind scenes-quick --captions runs/data/scenes-quick/dataset.json \\\n"
      "      --out runs/data/scenes-quick/vocab.txt\n"
      "  vilt train configs/scenes-quick.toml");
  app.set_version_flag("--version", std::string("vilt (tessera) ") + TESSERA_VERSION);
  app.require_subcommand(0, 1);
  add_scenes(app, action);
  add_vocabulary(app, action);
  add_train(app, action);
  add_report(app, action);
  add_eval(app, action);
  add_fill(app, action);
  add_match(app, action);
  add_align(app, action);
  add_info(app, action);
  add_gradcheck(app, action);
}

// In reverse, as CLI11 wants them. It would read a caption such as "[MASK] ring [MASK]" as a list: a blank in front,
// which no tokenizer minds, keeps it whole.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> out;
  for (int i = argc - 1; i >= 1; --i) {
    const std::string argument = argv[i];
    out.push_back(argument.starts_with('[') && argument.ends_with(']') ? " " + argument : argument);
  }
  return out;
}

int run(int argc, char** argv) {
  CLI::App app("", "vilt");
  Action action;
  add_commands(app, action);
  if (argc > 1 && argv[1][0] != '-') {
    const std::string nearest = nearest_command(app, argv[1]);
    const std::string advice = nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
    check(nearest == argv[1], "there is no command '", argv[1], "'", advice, " (vilt --help lists them)");
  }
  try {
    app.parse(arguments_of(argc, argv));
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
  } catch (const std::filesystem::filesystem_error& error) {
    message = error.path1().string() + ": " + error.code().message();
  } catch (const std::exception& error) {
    message = error.what();
    status = 1;
  }
  std::cout << std::flush;
  std::cerr << "vilt: " << message << std::endl;
  return status;
}
