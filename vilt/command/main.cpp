// The command `vilt`: reads the line, tells what is wrong with it, and calls what was asked for.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "autograd/finite.h"
#include "tensor/device.h"
#include "tensor/error.h"
#include "train/interruption.h"
#include "vilt/command/gradcheck.h"
#include "vilt/command/options.h"

namespace tessera::command {

int run_gradcheck(const GradcheckArguments& arguments) {
  const Device device = device_named("--device", arguments.device);
  check_available(device);
  if (device.kind == Device::cuda) {
    check(!arguments.plant, "gradcheck: --plant is for the CPU's gradients");
    return run_device_table(std::cout, arguments.op, arguments.seed, device);
  }
  return run_gradcheck_table(std::cout, arguments.op, arguments.seed, arguments.plant);
}

namespace {

// The names are few and short: the one with the longest common beginning is what was meant, if any begins alike. An
// existing name gives itself.
std::string nearest_command(const CLI::App& app, const std::string& typed) {
  std::string best;
  size_t longest = 0;
  for (const CLI::App* command : app.get_subcommands({})) {
    const std::string& name = command->get_name();
    const auto common =
        static_cast<size_t>(std::mismatch(name.begin(), name.end(), typed.begin(), typed.end()).first - name.begin());
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
      "  vilt train configs/scenes-quick.toml\n"
      "With a published checkpoint:\n"
      "  vilt info vilt-b32-finetuned-vqa\n"
      "  vilt answer --model vilt-b32-finetuned-vqa photo.jpg \"how many dogs are there?\"");
  app.set_version_flag("--version", std::string("vilt (tessera) ") + TESSERA_VERSION);
  app.require_subcommand(0, 1);
  add_scenes(app, action);
  add_vocabulary(app, action);
  add_train(app, action);
  add_report(app, action);
  add_eval(app, action);
  add_answer(app, action);
  add_fill(app, action);
  add_match(app, action);
  add_rank(app, action);
  add_reason(app, action);
  add_align(app, action);
  add_convert(app, action);
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

// 0: done. 1: failed. 2: bad input. 130, 143: ended by SIGINT, SIGTERM.
int main(int argc, char** argv) {
  std::string message;
  int status = 2;
  try {
    return tessera::command::run(argc, argv);
  } catch (const tessera::Interrupted& error) {
    message = error.what();
    status = 128 + error.signal;  // as a shell says it of a program that the signal killed
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
